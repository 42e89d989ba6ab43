/** Detects damaged database files, lost commits and a full disk. Problems are logged, published as events and shown in the status. */

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import { keepReserve } from '../data-directory/index.ts';
import { messageOf } from '../errors.ts';
import type { Metrics } from '../metrics/index.ts';
import type { EventKind } from '../records/index.ts';
import { CommittedSequence, checkDatabaseFiles, type Scrub } from '../storage/index.ts';
import type { Foundation } from './open-foundation.ts';
import { openScrub, type ServerScrubDeps } from './server-scrub.ts';

export interface StorageHealthDeps extends ServerScrubDeps, Pick<Foundation, 'trash' | 'objectsProblem'> {
  readonly metrics: Metrics;
}

/** Delay before the databases are checked, so that the check does not slow down startup. */
const checkAfterMs = 5000;

/** The running checks. They report problems, and repair nothing. */
export interface StorageHealth {
  /** Problems for the status; empty if there are none. */
  readonly notes: () => readonly string[];
}

/** Call before the first event is recorded. Startup waits for one query; all other checks run later. */
export async function openStorageHealth({ databaseUrl }: Config, deps: StorageHealthDeps, closers: Closers): Promise<StorageHealth> {
  const { clock, logs, directory, db, events } = deps;
  const log = logs.platform;
  const notes: string[] = [];
  const report: Report = (kind, subject, detail, note) => {
    notes.push(note);
    log.error({ subject, detail }, note);
    events
      .recordAndPublish({ kind, subject, detail })
      .catch((error: unknown) => log.error({ error: messageOf(error) }, 'failed to record an event'));
  };
  const onReserveFailure = (error: unknown): void => log.warn({ error: messageOf(error) }, 'failed to reserve disk space');
  const onReleased = (): void => log.error({}, 'the disk is full: the reserve was deleted to make room; free space');
  closers.push(keepReserve({ directory: directory.path, clock, onReleased, onFailure: onReserveFailure }));
  meterStorage(deps.metrics, { trash: deps.trash, scrub: openScrub(deps, closers) });
  const allNotes = (): string[] => {
    const problem = deps.objectsProblem();
    return problem === null ? notes : [...notes, `the object store is unavailable: ${problem}`];
  };
  if (databaseUrl !== null) return { notes: allNotes };
  const onFailure = (error: unknown): void => log.warn({ error: messageOf(error) }, 'failed to record the number of the last event');
  const sequence = new CommittedSequence({ db, clock, file: join(directory.path, 'state.db.sequence'), onFailure });
  const lost = await sequence.check();
  if (lost !== null) {
    const note = `state.db lost commits: its last event is ${lost.found}, but was ${lost.recorded}; its log (state.db-wal) was cut off or removed. Restore a backup`;
    report('storage.commits-lost', 'state.db', lost, note);
  }
  sequence.open();
  closers.add(sequence);
  closers.push(checkLater(deps, report));
  return { notes: allNotes };
}

type Report = (kind: EventKind, subject: string, detail: unknown, note: string) => void;

/** Returns a function that cancels the check. */
function checkLater({ clock, logs, directory }: StorageHealthDeps, report: Report): () => Promise<void> {
  const log = logs.platform;
  let end = async (): Promise<void> => undefined;
  const cancel = clock.after(checkAfterMs, () => {
    const files = [directory.stateDb, directory.metricsDb].filter((file) => existsSync(file));
    end = checkDatabaseFiles(files, {
      onChecked: ({ file, tables, problems }) => {
        const name = basename(file);
        if (problems.length === 0) log.info({ file: name, tables }, 'quick_check of the database found no damage');
        else report('storage.database-damaged', name, { problems }, `${name} is damaged: ${problems[0]}. Restore a backup`);
      },
      onFailure: (error) => log.warn({ error: messageOf(error) }, 'failed to check the database'),
    });
  });
  return async () => {
    cancel();
    await end();
  };
}

/** Prometheus metrics of the object stores: trash and scrub. */
function meterStorage(metrics: Metrics, { trash, scrub }: Pick<Foundation, 'trash'> & { readonly scrub: Scrub | null }): void {
  const one = (value: number) => [{ labels: {}, value }];
  metrics.counter(
    'penstock_trashed_objects_total',
    'Objects without a row in the database, moved to the trash by a sweep.',
    ['store'],
    () => Object.entries(trash.moved).map(([store, value]) => ({ labels: { store }, value })),
  );
  metrics.gauge('penstock_trash_objects', 'Objects in the trash.', [], () => one(trash.size.objects));
  metrics.gauge('penstock_trash_bytes', 'Size of the objects in the trash.', [], () => one(trash.size.bytes));
  if (scrub === null) return;
  metrics.counter('penstock_scrubbed_objects_total', 'Objects read again in the background.', [], () => one(scrub.counts.objects));
  metrics.counter('penstock_scrubbed_bytes_total', 'Bytes read again in the background.', [], () => one(scrub.counts.bytes));
  metrics.counter('penstock_damaged_objects_total', 'Objects whose content did not match their sha256.', [], () =>
    one(scrub.counts.damaged),
  );
  metrics.gauge('penstock_scrub_oldest_timestamp_seconds', 'When the objects that have waited longest were last read.', [], () =>
    one(scrub.oldestReadMs / 1000),
  );
}

/** Verifies all objects in the background, and records damaged ones in the log, events and audit. */

import { join } from 'node:path';
import type { Closers } from '../closers.ts';
import { messageOf } from '../errors.ts';
import type { Audit, Events } from '../records/index.ts';
import { type DamagedObject, type Database, inTransaction, Scrub } from '../storage/index.ts';
import type { Foundation } from './open-foundation.ts';

export interface ServerScrubDeps extends Pick<Foundation, 'clock' | 'logs' | 'directory' | 'db' | 'folders' | 'files'> {
  readonly events: Events;
  readonly audit: Audit;
}

/** Maximum number of references listed for a damaged object. */
const referencesMax = 20;

/** Null for objects elsewhere: they are verified when they are copied to this machine. */
export function openScrub(deps: ServerScrubDeps, closers: Closers): Scrub | null {
  const { clock, logs, directory, folders, files } = deps;
  if (folders === null) return null;
  const scrub = new Scrub({
    clock,
    stores: folders,
    files,
    progressFile: join(directory.path, 'scrub.json'),
    onDamaged: (damaged) => recordDamaged(deps, damaged),
    onFailure: (error) => logs.platform.error({ error: messageOf(error) }, 'the scrub failed to read an object'),
  });
  scrub.open();
  closers.add(scrub);
  return scrub;
}

/** `usedBy` names what the damage affects: model versions and bucket objects. */
async function recordDamaged({ db, events, audit, logs }: ServerScrubDeps, { store, sha256, actual }: DamagedObject): Promise<void> {
  const usedBy = await referencesTo(db, store, sha256);
  const subject = `${store}/${sha256}`;
  const detail = { actual, usedBy };
  logs.platform.error({ store, sha256, ...detail }, 'an object is damaged: its content does not match its sha256');
  const event = await inTransaction(db, async (tx) => {
    await audit.record(tx, { who: 'penstock', action: 'ScrubObject', target: subject, outcome: 'internal', detail });
    return events.record(tx, { kind: 'storage.object-damaged', subject, detail });
  });
  events.publish(event);
}

/** What refers to the object: model versions as `digits/3`, bucket objects as `bucket/key`. */
async function referencesTo(db: Database, store: DamagedObject['store'], sha256: string): Promise<string[]> {
  if (store === 'objects') {
    const rows = await db
      .selectFrom('model_versions as v')
      .innerJoin('model_groups as g', 'g.name_key', 'v.group_key')
      .leftJoin('version_files as f', (join) =>
        join.onRef('f.group_key', '=', 'v.group_key').onRef('f.version', '=', 'v.version').on('f.sha256', '=', sha256),
      )
      .select(['g.name', 'v.version'])
      .distinct()
      .where((row) => row.or([row('v.artifact_sha256', '=', sha256), row('f.sha256', '=', sha256)]))
      .limit(referencesMax)
      .execute();
    return rows.map(({ name, version }) => `${name}/${version}`);
  }
  const rows = await db
    .selectFrom('s3_pieces as p')
    .innerJoin('s3_objects as o', 'o.id', 'p.owner')
    .select(['o.bucket', 'o.key'])
    .where('p.sha256', '=', sha256)
    .limit(referencesMax)
    .execute();
  return rows.map(({ bucket, key }) => `${bucket}/${key}`);
}

/** Pipelines with real tables and events, on a virtual clock. Only what their steps use is made up. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { Access, type Caller, type Role } from '../../access/index.ts';
import type { Envelope } from '../../alerts/index.ts';
import { VirtualClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { Audit, Decisions, type EventKind, Events, type PlatformEvent } from '../../records/index.ts';
import type { ThreadTask } from '../../threads/index.ts';
import type { PipelineRun } from './pipeline.ts';
import { PipelineRows } from './pipeline-rows.ts';
import { Pipelines, type PipelinesDeps } from './pipelines.ts';

const fileOf = (on = '', rest = ''): string => `name: loop\n${on}\ntrain: {command: [/bin/true]}\n${rest}`;
const admin: Caller = { keyId: 'anonymous', role: 'admin' };
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface MadeJob {
  status: string;
  readonly stops: string[];
}

async function fixture(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-pipelines-'));
  const database = await openMemoryDatabase();
  const { db } = database;
  const clock = new VirtualClock(Date.UTC(2026, 10, 28, 12)); // a Saturday
  const [events, audit] = [new Events(db, clock), new Audit(db, clock)];
  const jobs = new Map<string, MadeJob>();
  const notified: string[] = [];
  /** Of new jobs. */
  const made = {
    status: 'Completed',
    beforeCreate: async (): Promise<void> => undefined,
    refusesWrites: false,
    holdout: 'a'.repeat(64),
    version: null as string | null,
    lanes: [] as string[],
  };
  const rows = new PipelineRows(db);
  const viewOf = (name: string, run: string | null) => {
    const job = jobs.get(name);
    return job === undefined
      ? null
      : { spec: { name, run }, status: job.status, version: made.version, failureReason: null, transitions: [], metrics: [], notes: [] };
  };
  const runs = new Map<string, string | null>();
  const training = {
    check: async () => undefined,
    find: async (name: string) => viewOf(name, runs.get(name) ?? null),
    nextName: async (name: string) => `${name}-${jobs.size + 1}`,
    create: async ({ name, run }: { name: string; run: string | null }) => {
      await made.beforeCreate();
      jobs.set(name, { status: made.status, stops: [] });
      runs.set(name, run);
      return viewOf(name, run);
    },
    changed: async (_name: string, signal: AbortSignal) => {
      if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
    stop: async (name: string, who: string) => {
      const job = jobs.get(name);
      assert(job !== undefined);
      job.stops.push(who);
      job.status = 'Stopped';
    },
  };
  /** A Python model, whose opening does not end. */
  const python = { state: 'registered' };
  const registry = {
    version: async () => ({ approval: 'PendingManualApproval', approvalChangedBy: null, python }),
    setApproval: async () => {
      python.state = 'opening';
      return registry.version();
    },
    cancelOpening: async () => {
      python.state = 'registered';
      return registry.version();
    },
  };
  const deps = {
    clock,
    log: openLogs(null, 'silent').platform,
    rows,
    training,
    registry,
    evaluations: {},
    deployments: { list: () => [] },
    decisions: new Decisions(db, clock, events),
    events,
    audit,
    buckets: { open: async () => ({ pieces: [{ sha256: made.holdout }], close: () => undefined }) },
    isLoopback: true,
    alarmState: (name: string) => (name === 'late' ? 'OK' : null),
    access: Access.open(join(folder, 'keys.json'), clock),
    notify: async (_tx: unknown, urls: readonly string[], run: PipelineRun) => {
      if (made.refusesWrites) throw new Error('database or disk is full');
      notified.push(...urls.map((url) => `${url} ${run.state}`));
    },
    announceDeliveries: () => undefined,
    envelopesOf: async (event: PlatformEvent) => [envelopeOf(event)],
    checkUrl: () => undefined,
    discardSource: async () => undefined,
    threads: {
      run: async (task: ThreadTask<unknown, unknown>, input: unknown, { lane }: { readonly lane: string }) => {
        made.lanes.push(lane);
        return task.run(input);
      },
    },
  };
  const open = async (): Promise<Pipelines> => {
    const pipelines = new Pipelines(deps as unknown as PipelinesDeps);
    await pipelines.open();
    return pipelines;
  };
  const opened = { pipelines: await open() };
  t.after(async () => {
    await opened.pipelines.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  /** Lets loops and timers run until the value is there. */
  const until = async <T>(what: string, read: () => Promise<T | false | null>, advanceMs = 1000): Promise<T> => {
    for (let i = 0; i < 2000; i++) {
      const value = await read();
      if (value !== false && value !== null) return value;
      clock.advance(advanceMs);
      await tick();
    }
    return assert.fail(`expected that ${what}`);
  };
  return {
    clock,
    db,
    events,
    jobs,
    made,
    notified,
    python,
    keyOf: (role: Role) => deps.access.create(role).id,
    rows,
    until,
    apply: (file: string) => opened.pipelines.apply({ file, source: null, git: null }, admin),
    get pipelines() {
      return opened.pipelines;
    },
    /** As after kill -9: what the server has not stored is lost. */
    killed: async (cursor: number | null) => {
      await opened.pipelines.close();
      if (cursor !== null) await rows.setCursor(null, cursor);
      opened.pipelines = await open();
    },
    storedCursor: () => rows.cursor(0),
    over: (number: number) =>
      until(`run ${number} is over`, async () => {
        const run = await rows.run('loop', number);
        return run !== null && run.state !== 'InProgress' && run;
      }),
    record: async (kind: EventKind, subject: string) => {
      const event = await db.transaction().execute((tx) => events.record(tx, { kind, subject, detail: {} }));
      events.publish(event);
      return event;
    },
  };
}

function envelopeOf({ kind, subject, seq }: PlatformEvent): Envelope {
  const place = { account: '000000000000', time: '2026-01-01T00:00:00Z', region: 'us-east-1' };
  return { version: '0', id: String(seq), 'detail-type': kind, source: 'penstock', ...place, resources: [subject], detail: {} };
}

describe('pipelines', () => {
  test('run when their schedule is due, and once for all times that were missed', async (t) => {
    const { apply, over, rows, clock, until, notified } = await fixture(t);
    const { scheduleHandledMs } = await apply(fileOf('on: {schedule: cron(0 3 ? * SUN *)}', 'notify: [https://hooks.example/a]\n'));
    assert.equal(scheduleHandledMs, clock.wallMs());
    clock.advance(14 * 3_600_000);
    await tick();
    assert.equal(await rows.run('loop', 1), null); // 02:00 on Sunday
    clock.advance(3_600_000);
    const first = await over(1);
    assert.deepEqual([first.state, first.trigger.kind, first.trigger.by], ['Completed', 'schedule', 'cron(0 3 ? * SUN *)']);
    assert.deepEqual(notified, ['https://hooks.example/a Completed']);
    clock.advance(21 * 86_400_000);
    assert.equal((await over(2)).trigger.count, 1);
    await until('the loop has polled', async () => (await rows.find('loop'))?.waiting === null);
    assert.equal(await rows.run('loop', 3), null);
  });

  test('whose stored pattern or schedule is no longer accepted do not stop the others', async (t) => {
    const { apply, over, record, killed, db, until, rows } = await fixture(t);
    for (const [name, on] of [
      ['a', 'on: {event: {detail-type: [endpoint.drifted]}}'],
      ['b', 'on: {schedule: rate(1 day)}'],
    ] as const)
      await apply(fileOf(on).replace('name: loop', `name: ${name}`));
    for (const [name, stored, broken] of [
      ['a', '[\\"endpoint.drifted\\"]', '7'],
      ['b', 'rate(1 day)', 'rate(1 eon)'],
    ] as const) {
      const revision = db.selectFrom('pipeline_revisions').where('name_key', '=', name);
      const { document } = await revision.select('document').executeTakeFirstOrThrow();
      assert(document.includes(stored), document);
      const changed = { document: document.replace(stored, broken) };
      await db.updateTable('pipeline_revisions').set(changed).where('name_key', '=', name).execute();
    }
    await killed(null);
    await apply(fileOf('on: {event: {detail-type: [endpoint.drifted]}}'));
    await until('the pipeline is known', async () => (await rows.find('loop')) !== null);
    await record('endpoint.drifted', 'digits');
    assert.equal((await over(1)).trigger.by, 'endpoint.drifted');
  });

  test('are not started by events from before they were applied, whenever the server is killed', async (t) => {
    const { apply, record, until, storedCursor, killed, rows } = await fixture(t);
    const drifted = await record('endpoint.drifted', 'digits');
    await until('the event was read', async () => (await storedCursor()) >= drifted.seq);
    await apply(fileOf('on: {event: {detail-type: [endpoint.drifted]}}'));
    await killed(await storedCursor());
    await tick();
    assert.deepEqual([(await rows.find('loop'))?.waiting, await rows.run('loop', 1)], [null, null]);
  });
});

describe('a run', () => {
  test('that is stopped before its job is there stops the job once it is', async (t) => {
    const { apply, pipelines, jobs, made, until, over } = await fixture(t);
    await apply(fileOf());
    const creating = Promise.withResolvers<void>();
    const created = Promise.withResolvers<void>();
    made.status = 'InProgress';
    made.beforeCreate = () => {
      creating.resolve();
      return created.promise;
    };
    await pipelines.run('loop', {}, 'AKIA');
    await creating.promise;
    const stopping = pipelines.stop('loop', 1, 'AKIB');
    await tick();
    created.resolve();
    const stopped = await stopping;
    assert.deepEqual([stopped.state, stopped.reason, stopped.steps[0]?.state], ['Stopped', 'stopped by AKIB', 'Stopped']);
    assert.deepEqual(jobs.get('loop-1')?.stops, ['AKIB']);
    await until('it is stored', async () => (await over(1)).state === 'Stopped');
  });

  test('that is stopped while a Python model is opened cancels the opening, which would approve it', async (t) => {
    const { apply, pipelines, made, python, over, until } = await fixture(t);
    await apply(fileOf('', 'register: {group: g}\napprove: {when: always}\n'));
    made.version = 'g/1';
    await pipelines.run('loop', {}, 'AKIA');
    await until('the model is being opened', async () => python.state === 'opening');
    await pipelines.stop('loop', 1, 'AKIB');
    const run = await over(1);
    assert.deepEqual([run.state, run.steps.map(({ state }) => state)], ['Stopped', ['Completed', 'Completed', 'Stopped']]);
    assert.equal(python.state, 'registered');
  });

  test('with values of a key that may not approve leaves its version pending, even if the file approves always', async (t) => {
    const { apply, pipelines, made, python, keyOf, over } = await fixture(t);
    await apply(fileOf('parameters: {C: 1}', 'register: {group: g}\napprove: {when: always}\n'));
    made.version = 'g/1';
    const deployer = keyOf('deployer');
    await pipelines.run('loop', { C: '2' }, deployer);
    const run = await over(1);
    assert.deepEqual([run.state, run.steps.at(-1)?.state, python.state], ['Completed', 'Completed', 'registered']);
    assert.match(
      run.steps.at(-1)?.note ?? '',
      new RegExp(`^left pending: approve.when is always, but the key ${deployer} gave parameter C its value, .*next: penstock approve g/1`),
    );
  });

  test('whose end cannot be stored ends once it can, and no other run starts beside it', async (t) => {
    const { apply, pipelines, made, over, rows, clock, until } = await fixture(t);
    await apply(fileOf());
    made.refusesWrites = true;
    await pipelines.run('loop', {}, 'AKIA');
    await until('the job is over', async () => (await rows.run('loop', 1))?.job === 'loop-1');
    for (let i = 0; i < 20; i++) {
      clock.advance(1000);
      await tick();
    }
    assert.equal(await pipelines.run('loop', {}, 'AKIA'), null);
    const unfinished = await rows.unfinished();
    // The step and the run end in one transaction.
    assert.deepEqual([unfinished.length, unfinished[0]?.steps[0]?.state], [1, 'InProgress']);
    made.refusesWrites = false;
    assert.equal((await over(1)).state, 'Completed');
    assert.equal((await over(2)).state, 'Completed');
  });

  test('is not judged by rows that were changed while it trained', async (t) => {
    const { apply, pipelines, made, over } = await fixture(t);
    await apply(
      fileOf('', 'register: {group: g}\nevaluate: {data: s3://team/holdout.csv, label: l, against: none}\napprove: {when: always}\n'),
    );
    made.version = 'g/1';
    made.beforeCreate = async () => {
      made.holdout = 'b'.repeat(64);
    };
    await pipelines.run('loop', {}, 'AKIA');
    const run = await over(1);
    assert.deepEqual([run.state, run.steps.map(({ state }) => state)], ['Failed', ['Completed', 'Completed', 'Failed', 'Skipped']]);
    assert.match(run.reason ?? '', /^s3:\/\/team\/holdout\.csv was changed while the model was trained/);
  });

  test('are rejected if their rollout names an alarm that is not there', async (t) => {
    const { apply } = await fixture(t);
    const withAlarms = (alarms: string): string => {
      const rollout = `{steps: [{percent: 50, watch: 1m}, {percent: 100, watch: 1m}], alarms: [${alarms}]}`;
      return fileOf('', `register: {group: digits}\napprove: {when: always}\ndeploy: {endpoint: digits, rollout: ${rollout}}\n`);
    };
    await assert.rejects(apply(withAlarms('late, absent')), { code: 'not_found', message: /there is no alarm 'absent'/ });
    await apply(withAlarms('late, digits-late'));
  });

  test('in progress is named by the message that its pipeline cannot be deleted', async (t) => {
    const { apply, pipelines, made } = await fixture(t);
    await apply(fileOf());
    made.status = 'InProgress';
    await pipelines.run('loop', {}, 'AKIA');
    await assert.rejects(pipelines.delete('loop', 'AKIA'), { message: /stop its run first \(penstock pipeline stop loop 1\)/ });
  });
});

test('the file of a caller is parsed in a thread: hostile YAML holds the parser for a second', async (t) => {
  const { apply, made } = await fixture(t);
  await assert.rejects(apply(`a:\n${'\t- x\n'.repeat(1000)}`), { code: 'invalid_request', message: /^line 2: this is not YAML/ });
  await apply(fileOf());
  assert.deepEqual(made.lanes, ['files', 'files']);
});

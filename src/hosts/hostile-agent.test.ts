/** An agent that lies: what it sends ends its own link at most. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { floats, HostsFixture, storedModel, storedPath, until, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import { homePython, skipPython, sumModel } from '../../test/hosts-python.ts';
import { LyingAgent } from '../../test/lying-agent.ts';
import { modelPath } from '../../test/models/index.ts';
import type { Frame } from '../runtime/index.ts';
import type { HomeArchive } from './host-objects.ts';
import { hostKinds } from './link/host-frames.ts';
import type { WorkerReport } from './link/reports.ts';
import { noListener } from './placed-options.ts';
import type { PlacedProvider } from './placed-provider.ts';
import { specDigest } from './remote-worker.ts';

let fixture: HostsFixture;
let home: PlacedProvider;
let agent: LyingAgent;
let received: Frame[];
beforeEach(async () => {
  fixture = new HostsFixture();
  home = await fixture.openHome();
  await link();
});
afterEach(async () => {
  agent.close();
  await fixture.close();
});

async function link(abilities?: object): Promise<void> {
  agent = await LyingAgent.link(home, abilities);
  received = agent.received;
}

function send(kind: number, message: unknown, call = 0): void {
  agent.send(kind, message, call);
}

function report(changes: Partial<Record<keyof WorkerReport, unknown>>): object {
  const base = { key: 'k', digest: 'd', state: 'ready', link: 1, pid: 1, restarts: 0, reason: null, ageMs: 1, readyMs: 1 };
  return { ...base, signature: { inputs: [], outputs: [] }, missing: [], ...changes };
}

function taskReport(changes: object): object {
  return { id: 't/1/1', digest: 'd', state: 'running', pid: 1, end: null, threads: 1, memoryMiB: 1, ...changes };
}

const at = { id: 't/1/1', folder: '/none', host: 'liar' };
const isLinked = (): boolean => home.linked.host('liar')?.hasLink === true;

for (const [what, kind, message, call] of [
  ['an answer to a call that nothing sent', hostKinds.done, {}, 7],
  ['a report without a key', hostKinds.report, report({ key: '' }), 0],
  ['a report with an unknown state', hostKinds.report, report({ state: 'gone' }), 0],
  ['a report with negative times', hostKinds.report, report({ ageMs: -1 }), 0],
  ['a report with a signature of another form', hostKinds.report, report({ signature: { inputs: 'x', outputs: [] } }), 0],
  [
    'a report with an unknown datatype',
    hostKinds.report,
    report({ signature: { inputs: [{ name: 'x', datatype: 'toString', shape: [] }], outputs: [] } }),
    0,
  ],
  ['more workers than a machine can have', hostKinds.workers, { keys: Array.from({ length: 10_001 }, (_, i) => `w${i}`) }, 0],
  ['keys that are no texts', hostKinds.workers, { keys: [{}] }, 0],
  ['a line that is not a text', hostKinds.line, { key: 'k', line: {}, requestIds: [] }, 0],
  ['an exit without a reason', hostKinds.exit, { key: 'k', exit: {} }, 0],
  ['a message that is null', hostKinds.usage, null, 0],
  ['a number of warm workers that is none', hostKinds.usage, { workers: [], warm: -1 }, 0],
  ['a task without an id', hostKinds.taskReport, taskReport({ id: '' }), 0],
  ['a task in an unknown state', hostKinds.taskReport, taskReport({ state: 'paused' }), 0],
  ['a task that occupies less than nothing', hostKinds.taskReport, taskReport({ memoryMiB: -1 }), 0],
  ['a task that ended without an end', hostKinds.taskReport, taskReport({ state: 'ended' }), 0],
  ['a task that ended for an unknown reason', hostKinds.taskReport, taskReport({ state: 'ended', end: { why: 'magic' } }), 0],
  ['more tasks than a machine can have', hostKinds.tasks, { ids: Array.from({ length: 1001 }, (_, i) => `t${i}`) }, 0],
  ['use of a task that is not a number', hostKinds.usage, { workers: [], tasks: [{ id: 't', cpuMs: 'x' }] }, 0],
  ['bytes that nothing asked for', hostKinds.bytes, { bytes: 0 }, 3],
  ['a command of a home', hostKinds.command, { method: 'stop', key: 'k', epoch: 9 }, 1],
  ['a frame of an unknown kind', 99, {}, 0],
] as const) {
  test(`${what} ends its link`, async () => {
    send(kind, message, call);
    await until(() => !isLinked(), 'the link has ended');
  });
}

test('tasks that the home never started are not its tasks, and one that has ended does not run again', async () => {
  const end = { code: 0, signal: null, why: 'exit', detail: null, peakRssBytes: 1, cpuMs: 1, startedAtMs: 1, atMs: 2 };
  send(hostKinds.taskReport, taskReport({ state: 'ended', end }));
  await until(() => home.linked.host('liar')?.tasks.views.length === 1, 'it is reported');
  assert.deepEqual([home.tasks.list(), isLinked()], [[], true]);
  send(hostKinds.tasks, { ids: ['t/1/1'] });
  await home.tasks.discardOthers('/none', []);
  await until(() => received.some(({ message }) => (message as { method?: string })?.method === 'task-discard'), 'it is to end');
  send(hostKinds.taskReport, taskReport({}));
  await until(() => !isLinked(), 'the link has ended');
});

test('an answer that is larger than its file, its listing or its page can be ends the link', async () => {
  for (const [ask, body] of [
    [() => home.tasks.files(at, 'model'), Buffer.from(JSON.stringify({ files: [{ path: '../x', bytes: 1, modifiedAtMs: 1 }], notes: [] }))],
    [() => home.tasks.files(at, 'model'), Buffer.from('[')],
    [() => home.tasks.openFile(at, 'model', 'x'), Buffer.alloc(600_000)],
    [() => home.tasks.output(at.id, 0), Buffer.alloc(2_200_000, '{}\n')],
  ] as const) {
    send(hostKinds.taskReport, taskReport({}));
    send(hostKinds.tasks, { ids: ['t/1/1'] });
    await until(() => home.linked.host('liar')?.tasks.isReported === true, 'it is reported');
    await home.tasks.find(at, new AbortController().signal);
    received.splice(0);
    const answered = assert.rejects(ask());
    await until(() => received.some(({ kind }) => kind === hostKinds.command), 'it is asked');
    const { call } = received.find(({ kind }) => kind === hostKinds.command) as Frame;
    agent.sendBytes(call, body, { size: 1, identity: '1' });
    await answered;
    if (isLinked()) continue; // the answer was refused alone
    await link();
  }
});

test('workers that the home never started are not served', async () => {
  send(hostKinds.report, report({ key: 'mine' }));
  send(hostKinds.exit, { key: 'mine', exit: null });
  send(hostKinds.line, { key: 'mine', line: 'hello', requestIds: [] });
  send(hostKinds.usage, { workers: [{ key: 'mine', rssBytes: 1, cpuMs: 1 }] });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([home.list(), isLinked()], [[], true]);
});

test('workers of another host are not its to report', async () => {
  await fixture.openHost('h2');
  home.follow({ wantedOf: (host) => (host === 'liar' ? 'cordoned' : 'ready') }, noListener);
  await home.start(workerSpec('test_affine', { id: 'w' }));
  const { pid } = await viewWhere(home, ({ state }) => state === 'ready');
  for (const key of ['w', 'w~1.0']) {
    send(hostKinds.report, report({ key, pid: 1 }));
    send(hostKinds.exit, { key, exit: null });
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  const [view] = home.list();
  assert.deepEqual([view?.pid, view?.host?.name], [pid, 'h2']);
  assert.equal((await home.link('w')?.run([floats('x', [1, 3], 1)]))?.outputs[0]?.shape[0], 1);
});

test('objects that none of its workers loads are not sent to it, nor more than 32 ranges at once', async () => {
  const { sha256 } = storedModel(modelPath('test_affine'));
  send(hostKinds.fetch, { sha256, start: 0 }, 1);
  await until(() => received.some(({ kind }) => kind === hostKinds.notFetched), 'it is refused');
  assert.equal((received.at(-1) as { message: { code: string } }).message.code, 'forbidden');
  agent.socket.cork(); // so that they arrive together
  for (let call = 2; call < 40; call++) send(hostKinds.fetch, { sha256, start: 0 }, call);
  agent.socket.uncork();
  await until(() => !isLinked(), 'the link has ended');
});

test('an archive of an environment is not made for a host without a worker in it, and a lock is a text', async () => {
  const lock = 'a'.repeat(64);
  send(hostKinds.environment, { lock }, 1);
  await until(() => received.some(({ kind }) => kind === hostKinds.notFetched), 'it is refused');
  assert.equal((received.at(-1) as { message: { code: string } }).message.code, 'forbidden');
  send(hostKinds.environment, { lock: {} }, 2);
  await until(() => !isLinked(), 'the link has ended');
});

test('an archive is sent to a host whose worker runs in its environment, once it was asked for, and 4 are asked for at once at most', {
  skip: skipPython,
}, async () => {
  await fixture.close();
  fixture = new HostsFixture();
  const lock = 'b'.repeat(64);
  const { sha256, bytes } = storedModel(modelPath('test_affine'));
  const path = await storedPath(sha256);
  let requests = 0;
  const release = Promise.withResolvers<void>();
  const archiveOf = async (): Promise<HomeArchive> => {
    if (++requests > 1) await release.promise;
    return { sha256, bytes, path, root: '/home', ...(await homePython.factsOf({ name: null, lock })) };
  };
  home = await fixture.openHome({ python: { ...homePython, archiveOf } });
  await link({
    isolation: 'none',
    architecture: process.arch,
    pythons: [{ name: 'default', packages: '', ...(await homePython.factsOf({ name: null, lock })) }],
  });
  const starting = home.start(workerSpec('test_affine', { id: 'w', ...sumModel(fixture.root, { name: null, lock }) }));
  await until(() => received.some(({ kind }) => kind === hostKinds.command), 'the start has arrived');
  send(hostKinds.done, {}, received.find(({ kind }) => kind === hostKinds.command)?.call);
  await starting;
  send(hostKinds.fetch, { sha256, start: 0 }, 1);
  await until(() => received.some(({ kind }) => kind === hostKinds.notFetched), 'it is not sent before it was asked for');
  send(hostKinds.environment, { lock }, 2);
  await until(() => received.some(({ kind }) => kind === hostKinds.archive), 'it is described');
  const answer = received.find(({ kind }) => kind === hostKinds.archive) as Frame;
  const { path: shown, ...described } = answer.message as Record<string, unknown>;
  assert.deepEqual([shown, described['sha256'], described['bytes']], [undefined, sha256, bytes], 'without its path on the home');
  send(hostKinds.fetch, { sha256, start: 0 }, 3);
  await until(() => received.some(({ kind }) => kind === hostKinds.fetched), 'it is sent');
  for (let call = 4; call < 10; call++) send(hostKinds.environment, { lock }, call);
  await until(() => !isLinked(), 'the link has ended');
  release.resolve();
});

test('a host whose abilities are malformed is not admitted', () => {
  const introduction = { instance: 'x', version: '0', zone: 'z', cpuMilli: 8000, memoryMiB: 8000 };
  for (const abilities of ['all', { isolation: 1 }, { isolation: 'root', architecture: 'x64', pythons: [{ name: 'default' }] }])
    assert.throws(() => home.linked.admit('other', { ...introduction, abilities }), { code: 'invalid_request' });
});

test('a result that does not fit the signature fails its run and ends the link', async () => {
  const spec = workerSpec('test_affine', { id: 'w' });
  const starting = home.start(spec);
  await until(() => received.some(({ kind }) => kind === hostKinds.command), 'the start has arrived');
  const start = received.find(({ kind }) => kind === hostKinds.command) as Frame;
  const { key, digest } = start.message as { key: string; digest: string };
  assert.equal(digest, specDigest(spec));
  send(hostKinds.done, {}, start.call);
  await starting;
  const signature = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }], outputs: [] };
  send(hostKinds.report, report({ key, digest, signature }));
  await viewWhere(home, ({ state }) => state === 'ready');
  const run = home.link('w')?.run([floats('x', [1, 3], 1)]);
  run?.catch(() => undefined);
  await until(() => received.some(({ kind }) => kind === hostKinds.run), 'the run has arrived');
  const { call } = received.find(({ kind }) => kind === hostKinds.run) as Frame;
  send(5, {}, call);
  await assert.rejects(run as Promise<unknown>);
  await until(() => !isLinked(), 'the link has ended');
});

test('warm workers are those that the agent reported last, and none after it has linked again', async () => {
  const warm = (): number | undefined => home.view.list().find(({ name }) => name === 'liar')?.warmWorkers;
  assert.equal(warm(), 0);
  send(hostKinds.usage, { workers: [], warm: 2 });
  await until(() => warm() === 2, 'the home knows');
  send(hostKinds.usage, { workers: [] }); // an agent of an older version
  await until(() => warm() === 0, 'the home knows');
  send(hostKinds.usage, { workers: [], warm: 1 });
  await until(() => warm() === 1, 'the home knows');
  agent.close();
  await link();
  assert.equal(warm(), 0);
});

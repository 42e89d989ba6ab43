/** An agent that lies: what it sends ends its own link at most. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { floats, HostsFixture, socketPair, storedModel, until, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import { modelPath } from '../../test/models/index.ts';
import { type Frame, FrameReader, messageFrame } from '../runtime/index.ts';
import { hostKinds } from './link/host-frames.ts';
import type { WorkerReport } from './link/reports.ts';
import type { PlacedProvider } from './placed-provider.ts';
import { specDigest } from './remote-worker.ts';

let fixture: HostsFixture;
let home: PlacedProvider;
let socket: Socket;
let received: Frame[];
beforeEach(async () => {
  fixture = new HostsFixture();
  home = await fixture.openHome();
  received = [];
  const [near, far] = await socketPair();
  socket = near;
  const reader = new FrameReader((frame) => received.push(frame));
  near.on('data', (chunk) => reader.push(chunk)).resume();
  home.linked.serve(far, 'liar', { instance: 'x', version: '0', zone: 'z', cpuMilli: 8000, memoryMiB: 8000 });
  send(hostKinds.workers, { keys: [] });
  await until(() => home.linked.host('liar')?.isLinked === true, 'it is linked');
});
afterEach(async () => {
  socket.destroy();
  await fixture.close();
});

function send(kind: number, message: unknown, call = 0): void {
  socket.write(messageFrame(call, kind, message));
}

function report(changes: Partial<Record<keyof WorkerReport, unknown>>): object {
  const base = { key: 'k', digest: 'd', state: 'ready', link: 1, pid: 1, restarts: 0, reason: null, ageMs: 1, readyMs: 1 };
  return { ...base, signature: { inputs: [], outputs: [] }, missing: [], ...changes };
}

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
  ['a command of a home', hostKinds.command, { method: 'stop', key: 'k', epoch: 9 }, 1],
  ['a frame of an unknown kind', 99, {}, 0],
] as const) {
  test(`${what} ends its link`, async () => {
    send(kind, message, call);
    await until(() => !isLinked(), 'the link has ended');
  });
}

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
  home.follow({ wantedOf: (host) => (host === 'liar' ? 'cordoned' : 'ready') }, { placed: () => undefined, rejected: () => undefined });
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

test('objects that none of its workers loads are not sent to it, nor more than 16 ranges at once', async () => {
  const { sha256 } = storedModel(modelPath('test_affine'));
  send(hostKinds.fetch, { sha256, start: 0 }, 1);
  await until(() => received.some(({ kind }) => kind === hostKinds.notFetched), 'it is refused');
  assert.equal((received.at(-1) as { message: { code: string } }).message.code, 'forbidden');
  for (let call = 2; call < 40; call++) send(hostKinds.fetch, { sha256, start: 0 }, call);
  await until(() => !isLinked(), 'the link has ended');
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

/** A home and three hosts with real agents and workers, which read models from one another over TLS. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { HostsFixture, socketPair, storedModel, until, workerSpec } from '../../test/hosts-fixture.ts';
import { TestCluster } from '../../test/links-fixture.ts';
import { modelPath } from '../../test/models/index.ts';
import { type Frame, FrameReader, messageFrame } from '../runtime/index.ts';
import { PeerGrants } from './agent/peer-grants.ts';
import { hostKinds } from './link/host-frames.ts';
import type { PlacedProvider } from './placed-provider.ts';

const mebibyte = 2 ** 20;
const dataBytes = 40 * mebibyte;
const names = ['h1', 'h2', 'h3'] as const;

let fixture: HostsFixture;
let home: PlacedProvider;
beforeEach(async () => {
  fixture = new HostsFixture();
  home = await fixture.openHome();
});
afterEach(() => fixture.close());

/** A worker that fills a host: of a model with a large file of data. */
function largeWorker(id: string, data: ReturnType<typeof storedModel>): ReturnType<typeof workerSpec> {
  const artifact = { ...storedModel(modelPath('test_affine')), data: [{ name: 'weights.bin', ...data }] };
  return workerSpec('test_affine', { id, artifact, memoryMiB: 16_384 });
}

function storedData(): ReturnType<typeof storedModel> {
  const path = join(fixture.root, 'weights.bin');
  writeFileSync(path, randomBytes(dataBytes));
  return storedModel(path);
}

const allReady = (): boolean => home.list().length === names.length && home.list().every(({ state }) => state === 'ready');
const received = () => names.map((name) => fixture.artifacts.get(name)?.received ?? { homeBytes: 0, peerBytes: 0 });
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

test('three hosts that start one model at once read it from the home about once, and all are ready', async (t) => {
  const cluster = await TestCluster.create();
  for (const name of names) await fixture.openHost(name, { cluster });
  const data = storedData();
  await Promise.all(names.map((name) => home.start(largeWorker(name, data))));
  await until(allReady, 'all workers are ready', 60_000);
  const homeBytes = sum(received().map((each) => each.homeBytes));
  const peerBytes = sum(received().map((each) => each.peerBytes));
  t.diagnostic(
    `the home sent ${(homeBytes / dataBytes).toFixed(2)} times the model to 3 hosts, hosts sent ${(peerBytes / dataBytes).toFixed(2)}`,
  );
  assert(homeBytes < 2 * dataBytes, `the home sent ${homeBytes} of ${dataBytes} bytes`);
  assert(homeBytes + peerBytes >= 3 * dataBytes);
});

test('hosts that do not serve each other read all of it from the home', async (t) => {
  for (const name of names) await fixture.openHost(name);
  const data = storedData();
  await Promise.all(names.map((name) => home.start(largeWorker(name, data))));
  await until(allReady, 'all workers are ready', 60_000);
  const homeBytes = sum(received().map((each) => each.homeBytes));
  t.diagnostic(`the home sent ${(homeBytes / dataBytes).toFixed(2)} times the model to 3 hosts`);
  assert(homeBytes >= 3 * dataBytes);
});

test('a grant of an older home is refused, and one of the present home counts', async () => {
  const [near, far] = await socketPair();
  const frames: Frame[] = [];
  const reader = new FrameReader((frame) => frames.push(frame));
  const grants = new PeerGrants(fixture.clock);
  const closed = fixture.openHost('h1', { serves: { port: 1, grants }, dial: async () => near }).catch(() => undefined);
  far.on('data', (chunk) => reader.push(chunk)).resume();
  speak(far, hostKinds.welcome, { epoch: 5, claims: true, peers: true }, 0);
  const sha256 = 'a'.repeat(64);
  const grant = { method: 'grant', host: 'h2', sha256, forMs: 60_000 };
  speak(far, hostKinds.command, { ...grant, epoch: 4 }, 1);
  await until(() => frames.some(({ call, kind }) => call === 1 && kind === hostKinds.refused), 'it is refused');
  assert.equal(grants.allows('h2', sha256), false);
  speak(far, hostKinds.command, { ...grant, epoch: 5 }, 2);
  await until(() => frames.some(({ call, kind }) => call === 2 && kind === hostKinds.done), 'it is accepted');
  assert.equal(grants.allows('h2', sha256), true);
  far.destroy();
  void closed;
});

function speak(socket: Socket, kind: number, message: object, call: number): void {
  socket.write(messageFrame(call, kind, message));
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForeignPeers } from './foreign-code.ts';

const socket = () => ({ remoteAddress: '127.0.0.1', remotePort: 1 });
const deps = { isForeignUid: (uid: number) => uid >= 100_000, isForeignCodeUnconfined: () => false };

test('looks a connection up once; one with an unknown process stays foreign', () => {
  const found = [null, 100_001, 1000];
  let lookups = 0;
  const peers = new ForeignPeers(deps, () => found[lookups++] ?? null);
  const [unknown, foreign, own] = [socket(), socket(), socket()];
  for (const [peer, isForeign] of [
    [unknown, true],
    [foreign, true],
    [own, false],
  ] as const) {
    assert.equal(peers.isForeign(peer), isForeign);
    assert.equal(peers.isForeign(peer), isForeign, 'also for the next request');
  }
  assert.equal(lookups, 3);
  assert.equal(peers.isForeign(undefined), true);
});

test('keeps a foreign connection foreign after its worker has ended', () => {
  let runs = true;
  const peers = new ForeignPeers({ ...deps, hasForeignUsers: () => runs }, () => 100_001);
  const peer = socket();
  assert.equal(peers.isForeign(peer), true);
  runs = false;
  assert.equal(peers.isForeign(peer), true);
});

test('looks nothing up while no model code runs', () => {
  const peers = new ForeignPeers({ ...deps, hasForeignUsers: () => false }, () => assert.fail('looked up'));
  assert.equal(peers.isForeign(socket()), false);
  assert.equal(peers.isForeign(undefined), false);
});

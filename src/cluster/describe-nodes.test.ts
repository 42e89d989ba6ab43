import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClusterNode, ClusterState } from './cluster-state.ts';
import { clockNotes, describeNodes } from './describe-nodes.ts';

const node = (name: string, changes: Partial<ClusterNode> = {}): ClusterNode => ({
  name,
  number: 1,
  incarnation: 1,
  isLive: true,
  isDraining: false,
  isRemoved: false,
  isPresent: true,
  expiresAtMs: 13_000,
  joinedAtMs: 5000,
  version: '0.1.0',
  address: null,
  clockOffsetMs: 0,
  ...changes,
});

function state(nodes: readonly ClusterNode[]): ClusterState {
  return { nowMs: 10_000, nodes, controller: { holder: { name: 'a', incarnation: 1 }, epoch: 1 }, slots: [] };
}

describe('the nodes of a cluster', () => {
  for (const { when, changes = {}, shown } of [
    { when: 'it has the role', shown: 'serves' },
    { when: 'an earlier process of its name had the role', changes: { incarnation: 2 }, shown: 'stands by' },
    { when: 'its lease has run out', changes: { expiresAtMs: 9000 }, shown: 'does not respond' },
    { when: 'it was declared dead', changes: { isLive: false }, shown: 'dead' },
    { when: 'it has left the cluster', changes: { isLive: false, isDraining: true }, shown: 'ended' },
  ] as const) {
    test(`node a ${shown} if ${when}`, () => {
      assert.equal(describeNodes(state([node('a', changes)]))[0]?.state, shown);
    });
  }

  test('a clock that is wrong by more than 2 s is noted, except of a dead node', () => {
    const nodes = [
      node('a', { clockOffsetMs: 2000 }),
      node('b', { clockOffsetMs: 60_040 }),
      node('c', { clockOffsetMs: -2500 }),
      node('d', { clockOffsetMs: 60_000, isLive: false }),
    ];
    assert.deepEqual(clockNotes(describeNodes(state(nodes))), [
      'the clock of node b is 60.0 s ahead of that of the database: set it, for example with NTP',
      'the clock of node c is 2.5 s behind that of the database: set it, for example with NTP',
    ]);
  });
});

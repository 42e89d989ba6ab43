import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SchemaState } from '../storage/index.ts';
import type { ClusterNode, ClusterState } from './cluster-state.ts';
import { type Program, programOf, programText } from './program.ts';
import { describeUpgrade } from './upgrade-notes.ts';
import { whyNotJoin, whyNotServe } from './upgrade-rules.ts';

const program = (version: string, state: number, links = [1, 1]): Program => {
  const [min = 1, max = 1] = links;
  return { version, tables: { state, metrics: 7 }, links: { min, max } };
};
/** Before programs said what they know. */
const first = '0.1.0';
const v1 = program('0.1.1', 101);
const v2 = program('0.2.0', 104);

const node = (name: string, version: string, changes: Partial<ClusterNode> = {}): ClusterNode => ({
  name,
  version,
  number: 1,
  incarnation: 1,
  isLive: true,
  isDraining: false,
  isRemoved: false,
  isPresent: true,
  expiresAtMs: 13_000,
  joinedAtMs: 5000,
  address: null,
  clockOffsetMs: 0,
  ...changes,
});
const schema = (newest: number, needed = newest, metrics = 7): SchemaState => ({
  newest: { state: newest, metrics },
  needed: { state: needed, metrics },
});
const stepsOf = (state: number): { readonly state: number; readonly metrics: number } => ({ state, metrics: 7 });

test('a program is written with its version, and read again; a version alone is a program before these rules', () => {
  assert.equal(programText(v2), '0.2.0+tables.104.7.links.1.1');
  assert.deepEqual(programOf(programText(program('1.0.0-rc.1+g3', 104, [2, 3]))), program('1.0.0-rc.1+g3', 104, [2, 3]));
  assert.deepEqual(programOf(first), { version: first, tables: { state: 100, metrics: 6 }, links: { min: 1, max: 1 } });
});

describe('a node takes the role of the home', () => {
  for (const { when, own, tables, neededAfter, others, reason } of [
    { when: 'if all others are as new', own: v2, tables: schema(101), neededAfter: stepsOf(104), others: [programText(v2)], reason: null },
    {
      when: 'if it changes nothing for older ones',
      own: v2,
      tables: schema(101),
      neededAfter: stepsOf(101),
      others: [programText(v1)],
      reason: null,
    },
    {
      when: 'not before an older one that its steps would keep from serving',
      own: v2,
      tables: schema(101),
      neededAfter: stepsOf(104),
      others: [programText(v1)],
      reason: /node b .*0\.1\.1 \(tables 101\)/,
    },
    {
      when: 'not before one of the version before these rules',
      own: v1,
      tables: schema(97, 97, 6),
      neededAfter: stepsOf(101),
      others: [first],
      reason: /older version, 0\.1\.0,/,
    },
    {
      when: 'if the older ones cannot serve on the tables as they are',
      own: v2,
      tables: schema(103, 103),
      neededAfter: stepsOf(104),
      others: [programText(v1), first],
      reason: null,
    },
    {
      when: 'if it is older, and the tables let it',
      own: v1,
      tables: schema(104, 101),
      neededAfter: stepsOf(101),
      others: [programText(v2)],
      reason: null,
    },
    {
      when: 'never on tables that have left it behind',
      own: v1,
      tables: schema(104),
      neededAfter: stepsOf(104),
      others: [],
      reason: /lacks step 104/,
    },
  ]) {
    test(when, () => {
      const why = whyNotServe(
        own,
        { schema: tables, neededAfter },
        others.map((version, index) => node('bcd'[index] ?? '', version)),
      );
      if (reason === null) assert.equal(why, null);
      else assert.match(why ?? '', reason);
    });
  }
});

describe('a node joins', () => {
  test('beside nodes that understand its links', () => {
    const joining = (links: number[]): string | null => whyNotJoin(program('0.4.0', 101, links), schema(101), [node('a', programText(v1))]);
    assert.equal(joining([1, 2]), null);
    assert.match(joining([3, 4]) ?? '', /0\.4\.0, is too far from that of node a, 0\.1\.1: .* 3 to 4, a those of 1\. Upgrade all nodes/);
    assert.match(
      whyNotJoin(program('0.4.0', 101, [2, 3]), schema(97, 97, 6), [node('a', first)]) ?? '',
      /too far from that of node a, 0\.1\.0/,
    );
  });

  test('not on tables that a newer version has changed for good', () => {
    assert.match(
      whyNotJoin(v1, schema(104), []) ?? '',
      /changed by a newer version of Penstock: this one, 0\.1\.1 \(tables 101\), lacks step 104/,
    );
    assert.equal(whyNotJoin(v1, schema(104, 101), []), null);
  });
});

describe('the status of an upgrade', () => {
  const state = (...nodes: ClusterNode[]): ClusterState => ({
    nowMs: 10_000,
    nodes,
    controller: { holder: { name: 'a', incarnation: 1 }, epoch: 1 },
    slots: [],
  });
  const old = programText(v1);
  const young = programText(v2);

  test('names what is older, and what to restart next: hosts, then nodes that stand by, the home last', () => {
    const next = (nodes: ClusterNode[], hosts: { name: string; version: string }[]): string[] => [
      ...describeUpgrade(state(...nodes), schema(101), hosts).notes,
    ];
    const [all = ''] = next(
      [node('a', old), node('b', young), node('c', old)],
      [
        { name: 'h2', version: '0.1.1' },
        { name: 'h1', version: '0.1.1' },
      ],
    );
    assert.equal(
      all,
      'an upgrade to 0.2.0 (tables 104) is under way, these are older: host h1: 0.1.1; host h2: 0.1.1; node c: 0.1.1 (tables 101); node a, which serves: 0.1.1 (tables 101). Next, restart host h1, with 0.2.0',
    );
    assert.match(
      next([node('a', old), node('b', young), node('c', old)], [{ name: 'h1', version: '0.2.0' }])[0] ?? '',
      /restart node c, with 0\.2\.0$/,
    );
    assert.match(next([node('a', old), node('b', young), node('c', young)], [])[0] ?? '', /restart node a, which serves, with 0\.2\.0$/);
  });

  test('asks to finish it once all are as new, as long as an older version could take over', () => {
    const nodes = [node('a', young), node('b', young), node('d', old, { isLive: false }), node('e', old, { expiresAtMs: 9000 })];
    const hosts = [{ name: 'h1', version: '0.2.0' }];
    assert.match(describeUpgrade(state(...nodes), schema(104, 101), hosts).notes[0] ?? '', /penstock cluster finish-upgrade/);
    assert.deepEqual(describeUpgrade(state(...nodes), schema(104), hosts), { notes: [], open: null });
  });
});

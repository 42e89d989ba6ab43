import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KnownNodes, lastResortNodes, nodesMax, withConfiguredNodes, withPresentNodes } from './known-nodes.ts';

const nothing: KnownNodes = { nodes: [], configured: [], earlier: [] };
const addresses = (...names: string[]): string[] => names.map((name) => `${name}:1`);

test('nodes that run are tried first, then those of the token, then those that ran earlier, the latest first', () => {
  let known = withConfiguredNodes({ ...nothing, nodes: addresses('a', 'b') }, addresses('a', 'b'));
  assert.deepEqual(lastResortNodes(known), []);
  known = withPresentNodes(known, addresses('b', 'c'));
  known = withPresentNodes(known, addresses('d'));
  assert.deepEqual(known.nodes, addresses('d'));
  assert.deepEqual(lastResortNodes(known), addresses('a', 'b', 'c'));
  assert.equal(withPresentNodes(known, addresses('d')), known, 'nothing changed');
});

test('what is no address is left out, and an empty list changes nothing', () => {
  const known = withPresentNodes(nothing, ['a:1', 'no address', 7, null, 'a:1', `${'x'.repeat(300)}:1`]);
  assert.deepEqual(known.nodes, ['a:1']);
  for (const said of [[], ['no address']]) assert.equal(withPresentNodes(known, said), known);
});

test('addresses of tokens are kept whatever a host learns, and every list is bounded', () => {
  const lists = fc.array(
    fc.array(
      fc.nat({ max: 500 }).map((n) => `n${n}:1`),
      { maxLength: 100 },
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(lists, (learned) => {
      const start = withConfiguredNodes(nothing, addresses('first', 'second'));
      const known = learned.reduce(withPresentNodes, start);
      for (const address of addresses('first', 'second')) assert([...known.nodes, ...lastResortNodes(known)].includes(address));
      for (const list of [known.nodes, known.configured, known.earlier]) assert(list.length <= nodesMax);
      assert.deepEqual(
        known.nodes.filter((address) => lastResortNodes(known).includes(address)),
        [],
      );
    }),
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prod, variant } from '../../../test/deployment-fixture.ts';
import { afterRollback, configsBefore, emptyHistory, isNewest, withoutGroup, withRetained, withRolledBack } from './version-history.ts';

const at = (...versions: number[]) => ({ variants: versions.map((version) => ({ ...variant, name: `v${version}`, version })) });
const served = (...sets: (readonly number[])[]) => sets.reduce((history, set) => withRetained(history, at(...set)), emptyHistory);
const retainedVersions = ({ kept }: typeof emptyHistory) => kept.map(({ variants }) => variants.map(({ version }) => version));

test('serving the same versions again updates the entry with the current settings', () => {
  const wider = { ...prod, variants: at(1).variants.map((each) => ({ ...each, instanceCount: 4 })) };
  const history = withRetained(served([1]), wider);
  assert.deepEqual(history.kept, [wider]);
  assert.equal(withRetained(history, wider), history, 'an unchanged history is returned as is');
});

test('the same versions in another order are the same entry, and no rollback target', () => {
  const history = served([1], [1, 2]);
  assert.ok(isNewest(history, at(2, 1).variants));
  const turned = withRetained(history, at(2, 1));
  assert.deepEqual(retainedVersions(turned), [[1], [2, 1]]);
  assert.deepEqual(configsBefore(turned, at(1, 2).variants), [at(1)]);
});

test('variants that swap their versions are a new entry; renamed variants are not', () => {
  const named = (names: Readonly<Record<string, number>>) => ({
    variants: Object.entries(names).map(([name, version]) => ({ ...variant, name, version })),
  });
  const history = withRetained(emptyHistory, named({ a: 1, b: 2 }));
  assert.ok(!isNewest(history, named({ a: 2, b: 1 }).variants));
  assert.ok(!isNewest(history, named({ b: 1, a: 2 }).variants));
  assert.ok(isNewest(history, named({ c: 1, d: 2 }).variants));
  const swapped = withRetained(history, named({ a: 2, b: 1 }));
  assert.deepEqual(configsBefore(swapped, named({ a: 2, b: 1 }).variants), [named({ a: 1, b: 2 })]);
  const back = { now: named({ a: 2, b: 1 }).variants, to: named({ a: 1, b: 2 }), reason: 'requested manually', atMs: 5 };
  assert.deepEqual(afterRollback(swapped, back), { kept: [named({ a: 1, b: 2 })], rolledBack: [] }, 'both versions still serve');
});

test('a rolled-back version is not a rollback target, even if it served well earlier', () => {
  const history = withRolledBack(served([2], [1], [3]), ['digits/2'], { reason: 'late', atMs: 5 });
  assert.deepEqual(retainedVersions(history), [[1], [3]]);
  assert.deepEqual(history.rolledBack, [{ model: 'digits/2', reason: 'late', atMs: 5 }]);
});

test('a version that is rolled back again is listed once, with the last reason', () => {
  const once = withRolledBack(emptyHistory, ['digits/2', 'digits/3'], { reason: 'late', atMs: 5 });
  const { rolledBack } = withRolledBack(once, ['digits/2'], { reason: 'failed', atMs: 9 });
  assert.deepEqual(
    rolledBack.map(({ model, reason }) => `${model} ${reason}`),
    ['digits/3 late', 'digits/2 failed'],
  );
});

test('a rollback of one of two versions does not mark the other as rolled back', () => {
  const history = afterRollback(served([1], [1, 2]), { now: at(1, 2).variants, to: at(1), reason: 'requested manually', atMs: 5 });
  assert.deepEqual([retainedVersions(history), history.rolledBack.map(({ model }) => model)], [[[1]], ['digits/2']]);
});

test('deleting a group removes its entries only', () => {
  const other = { variants: at(1).variants.map((each) => ({ ...each, group: 'digits-2' })) };
  const back = { reason: 'late', atMs: 5 };
  const history = withRolledBack(withRetained(served([1], [2]), other), ['digits/3', 'digits-2/3'], back);
  assert.deepEqual(withoutGroup(history, 'Digits'), { kept: [other], rolledBack: [{ model: 'digits-2/3', ...back }] });
  assert.equal(withoutGroup(history, 'digit'), history);
});

test('the history is bounded and retains the latest entries', () => {
  const many = Array.from({ length: 300 }, (_, index) => index + 1);
  const history = many.reduce(
    (before, version) => withRolledBack(withRetained(before, at(version)), [`digits/${1000 + version}`], { reason: 'late', atMs: version }),
    emptyHistory,
  );
  assert.deepEqual([history.kept.length, history.rolledBack.length], [50, 100]);
  assert.deepEqual([retainedVersions(history).at(-1), history.rolledBack.at(-1)?.model], [[300], 'digits/1300']);
});

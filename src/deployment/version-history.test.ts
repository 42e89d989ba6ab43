import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prod, variant } from '../../test/deployment-house.ts';
import { earlierThan, goneBack, isNewest, nothingServed, withKept, withoutGroup, withTakenBack } from './version-history.ts';

const at = (...versions: number[]) => ({ variants: versions.map((version) => ({ ...variant, name: `v${version}`, version })) });
const served = (...sets: (readonly number[])[]) => sets.reduce((history, set) => withKept(history, at(...set)), nothingServed);
const keptIn = ({ kept }: typeof nothingServed) => kept.map(({ variants }) => variants.map(({ version }) => version));

test('what is served anew with the same versions is one entry, with the settings of now', () => {
  const wider = { ...prod, variants: at(1).variants.map((each) => ({ ...each, instanceCount: 4 })) };
  const history = withKept(served([1]), wider);
  assert.deepEqual(history.kept, [wider]);
  assert.equal(withKept(history, wider), history, 'and nothing is to be written where nothing is new');
});

test('the same versions in another order are no others, and nothing to go back to', () => {
  const history = served([1], [1, 2]);
  assert.ok(isNewest(history, at(2, 1).variants));
  const turned = withKept(history, at(2, 1));
  assert.deepEqual(keptIn(turned), [[1], [2, 1]]);
  assert.deepEqual(earlierThan(turned, at(1, 2).variants), [at(1)]);
});

test('variants that swap their versions serve others than before; under another name a version is the same', () => {
  const named = (names: Readonly<Record<string, number>>) => ({
    variants: Object.entries(names).map(([name, version]) => ({ ...variant, name, version })),
  });
  const history = withKept(nothingServed, named({ a: 1, b: 2 }));
  assert.ok(!isNewest(history, named({ a: 2, b: 1 }).variants));
  assert.ok(!isNewest(history, named({ b: 1, a: 2 }).variants));
  assert.ok(isNewest(history, named({ c: 1, d: 2 }).variants));
  const swapped = withKept(history, named({ a: 2, b: 1 }));
  assert.deepEqual(earlierThan(swapped, named({ a: 2, b: 1 }).variants), [named({ a: 1, b: 2 })]);
  const back = { now: named({ a: 2, b: 1 }).variants, to: named({ a: 1, b: 2 }), reason: 'asked for by hand', atMs: 5 };
  assert.deepEqual(goneBack(swapped, back), { kept: [named({ a: 1, b: 2 })], takenBack: [] }, 'both versions serve on');
});

test('a version that is taken back is nothing to go back to, however long ago it served well', () => {
  const history = withTakenBack(served([2], [1], [3]), ['digits/2'], { reason: 'late', atMs: 5 });
  assert.deepEqual(keptIn(history), [[1], [3]]);
  assert.deepEqual(history.takenBack, [{ model: 'digits/2', reason: 'late', atMs: 5 }]);
});

test('a version that is taken back again is there once, with the last reason', () => {
  const once = withTakenBack(nothingServed, ['digits/2', 'digits/3'], { reason: 'late', atMs: 5 });
  const { takenBack } = withTakenBack(once, ['digits/2'], { reason: 'failed', atMs: 9 });
  assert.deepEqual(
    takenBack.map(({ model, reason }) => `${model} ${reason}`),
    ['digits/3 late', 'digits/2 failed'],
  );
});

test('where one of two versions is gone back on, the other is not taken back', () => {
  const history = goneBack(served([1], [1, 2]), { now: at(1, 2).variants, to: at(1), reason: 'asked for by hand', atMs: 5 });
  assert.deepEqual([keptIn(history), history.takenBack.map(({ model }) => model)], [[[1]], ['digits/2']]);
});

test('what is of a group that is deleted is gone, and what is not stays as it is', () => {
  const other = { variants: at(1).variants.map((each) => ({ ...each, group: 'digits-2' })) };
  const back = { reason: 'late', atMs: 5 };
  const history = withTakenBack(withKept(served([1], [2]), other), ['digits/3', 'digits-2/3'], back);
  assert.deepEqual(withoutGroup(history, 'Digits'), { kept: [other], takenBack: [{ model: 'digits-2/3', ...back }] });
  assert.equal(withoutGroup(history, 'digit'), history);
});

test('whatever comes, the history stays small and knows the latest', () => {
  const many = Array.from({ length: 300 }, (_, index) => index + 1);
  const history = many.reduce(
    (before, version) => withTakenBack(withKept(before, at(version)), [`digits/${1000 + version}`], { reason: 'late', atMs: version }),
    nothingServed,
  );
  assert.deepEqual([history.kept.length, history.takenBack.length], [50, 100]);
  assert.deepEqual([keptIn(history).at(-1), history.takenBack.at(-1)?.model], [[300], 'digits/1300']);
});

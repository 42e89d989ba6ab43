import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { sql } from 'kysely';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import type { OpenDatabase } from '../../storage/index.ts';
import { GroundTruth, type PredictionsDropped } from './ground-truth.ts';
import type { StoredPrediction } from './prediction-rows.ts';
import { inferenceIdLengthMax, readLabels } from './read-labels.ts';
import { scoreOf } from './score.ts';

async function fixture(t: TestContext, open: () => Promise<OpenDatabase>, failures?: unknown[]) {
  const { db, close } = await open();
  t.after(close);
  const endpoint = { name_key: 'e', name: 'E', config: '{}', generation: 1, desired: 'InService' as const, created_at: 0, updated_at: 0 };
  await db.insertInto('endpoints').values(endpoint).execute();
  const clock = new VirtualClock(Date.UTC(2026, 10, 24));
  const measured: [string, number][] = [];
  const store = { add: (_place: unknown, { name }: { name: string }, value: number) => void measured.push([name, value]) };
  const dropped: PredictionsDropped[] = [];
  const onFailure = (error: unknown): void => (failures === undefined ? assert.fail(String(error)) : void failures.push(error));
  const onDropped = (calls: PredictionsDropped): void => void dropped.push(calls);
  const truth = new GroundTruth({ db, clock, store, endpoints: () => ['E'], onDropped, onFailure });
  /** Writes yield to the event loop on the clock, so advance it while waiting. */
  const await_ = async <T>(promise: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = promise.finally(() => (isDone = true));
    done.catch(() => undefined); // the caller gets the rejection
    while (!isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(0);
    }
    return done;
  };
  const predicted = (more: Partial<StoredPrediction>): void =>
    truth.add({ endpoint: 'E', variant: 'v', inferenceId: 'i', atMs: clock.wallMs(), kind: 'class', values: [1], ...more });
  return { db, clock, truth, measured, dropped, await_, predicted };
}

for (const [dialect, open] of [
  ['SQLite', openMemoryDatabase],
  ['PostgreSQL', openPglite],
] as const) {
  describe(`labels, with predictions in ${dialect}`, () => {
    test('judge the plan that answered, and the one that ran in idle time', async (t) => {
      const { truth, await_, predicted, clock } = await fixture(t, open);
      for (let i = 0; i < 6; i++) predicted({ inferenceId: `i${i}`, requestId: `r${i}`, values: [i % 2], plan: i < 4 ? 'a/1' : 'b/1' });
      for (let i = 0; i < 3; i++) truth.addShadow({ endpoint: 'e', requestId: `r${i}`, plan: 'b/1', values: [1] });
      truth.addShadow({ endpoint: 'e', requestId: 'r4', plan: 'a/1', values: [1, 1] });
      truth.addShadow({ endpoint: 'e', requestId: 'other', plan: 'a/1', values: [1] });
      await await_(truth.flush());
      await await_(
        truth.label(
          'e',
          Array.from({ length: 3 }, (_, i) => ({ inferenceId: `i${i}`, labels: [1] })),
        ),
      );
      await await_(truth.label('e', [{ inferenceId: 'i4', labels: [0] }], true));
      const { plans, ...all } = await await_(truth.labelledSince('e', 'v', 0));
      assert.deepEqual(all, { rows: 4, hits: 2, trusted: { rows: 1, hits: 1 } });
      assert.deepEqual(
        [...plans].sort(([a], [b]) => a.localeCompare(b)),
        [
          ['a/1', { rows: 3, hits: 1 }],
          ['b/1', { rows: 4, hits: 4 }],
        ],
      );
      assert.equal((await await_(truth.labelledSince('e', 'v', clock.wallMs() + 1))).rows, 0);
    });

    test('are wanted for calls on which plans disagree, then for those that were answered with the least certainty', async (t) => {
      const { truth, await_, predicted, clock } = await fixture(t, open);
      const scores = [0.9, 0.4, null, 0.6, 0.7, 0.99];
      for (const [i, scoreMin] of scores.entries()) {
        clock.advance(1000);
        predicted({ inferenceId: `i${i}`, requestId: `r${i}`, values: [1, 2], plan: 'a/1', scoreMin });
      }
      predicted({ inferenceId: 'v', kind: 'value', values: [0.5], scoreMin: 0.1 });
      truth.addShadow({ endpoint: 'e', requestId: 'r0', plan: 'b/1', values: [1, 2] });
      truth.addShadow({ endpoint: 'e', requestId: 'r2', plan: 'b/1', values: [1, 3] });
      truth.addShadow({ endpoint: 'e', requestId: 'r4', plan: 'b/1', values: [2, 3] });
      // A challenger that agrees with its incumbent.
      truth.addShadow({ endpoint: 'e', requestId: 'r5', plan: 'a/2', values: [3, 3], against: [3, 3] });
      await await_(truth.label('e', [{ inferenceId: 'i1', labels: [1, 2] }]));
      const calls = await await_(truth.toLabel('e', 10));
      assert.deepEqual(
        calls.map(({ inferenceId, other, rows, scoreMin }) => [inferenceId, other?.values ?? null, rows, scoreMin]),
        [
          ['i4', [2, 3], [0, 1], 0.7],
          ['i2', [1, 3], [1], null],
          ['i3', null, [], 0.6],
          ['i0', null, [], 0.9],
          ['i5', null, [], 0.99],
        ],
      );
      assert.deepEqual(
        (await await_(truth.toLabel('E', 1))).map(({ inferenceId }) => inferenceId),
        ['i4'],
      );
      assert.deepEqual(
        (await await_(truth.toLabel('E', 3))).map(({ inferenceId }) => inferenceId),
        ['i4', 'i2', 'i3'],
      );
    });

    test('count the rows on which only a challenger is right, or only what it is compared with', async (t) => {
      const { truth, await_, predicted, clock } = await fixture(t, open);
      for (let i = 0; i < 4; i++) predicted({ inferenceId: `i${i}`, requestId: `r${i}`, values: [1, 2], plan: 'b/1' });
      truth.addShadow({ endpoint: 'e', requestId: 'r0', plan: 'a/2', values: [1, 3] });
      truth.addShadow({ endpoint: 'e', requestId: 'r1', plan: 'a/2', values: [1, 3], against: [2, 3] });
      truth.addShadow({ endpoint: 'e', requestId: 'r2', plan: 'a/2', values: [1, 3], against: [2] });
      truth.addShadow({ endpoint: 'e', requestId: 'r3', plan: 'a/2', values: [1, 3] });
      await await_(truth.flush());
      const labels = (ids: readonly string[]) => ids.map((inferenceId) => ({ inferenceId, labels: [1, 3] }));
      await await_(truth.label('e', labels(['i0', 'i1', 'i2']), true));
      await await_(truth.label('e', labels(['i3'])));
      // r0: right on the second row alone; r1: on the first; r2 has no such answer; the labels of r3 are not trusted.
      assert.deepEqual(await await_(truth.discordantSince('e', 'v', 'a/2', 0)), { rows: 4, better: 2, worse: 0 });
      assert.deepEqual(await await_(truth.discordantSince('e', 'v', 'a/2', clock.wallMs() + 1)), { rows: 0, better: 0, worse: 0 });
    });

    test('of callers that may not deploy replace none of those that may', async (t) => {
      const { truth, await_, predicted } = await fixture(t, open);
      predicted({ values: [1], plan: 'a/1' });
      await await_(truth.label('e', [{ inferenceId: 'i', labels: [1] }], true));
      assert.equal((await await_(truth.label('e', [{ inferenceId: 'i', labels: [2] }]))).matched, 1);
      const counts = { rows: 1, hits: 1 };
      assert.deepEqual(await await_(truth.labelledSince('e', 'v', 0)), { ...counts, trusted: counts, plans: new Map([['a/1', counts]]) });
      await await_(truth.label('e', [{ inferenceId: 'i', labels: [2] }], true));
      assert.deepEqual((await await_(truth.labelledSince('e', 'v', 0))).trusted, { rows: 1, hits: 0 });
    });

    test('are joined by inference id at once and give accuracy', async (t) => {
      const { truth, measured, await_, predicted } = await fixture(t, open);
      for (let i = 0; i < 250; i++) predicted({ inferenceId: `i${i}`, values: [i % 10] });
      const provided = Array.from({ length: 250 }, (_, i) => ({ inferenceId: `i${i}`, labels: [i % 5] }));
      const other = [
        { inferenceId: 'missing', labels: [1] },
        { inferenceId: 'i3', labels: [1, 2] },
      ];
      assert.deepEqual(await await_(truth.label('e', [...provided, ...other])), { matched: 250, unknown: ['missing'], mismatched: ['i3'] });
      assert.deepEqual(await truth.quality('e'), {
        calls: 250,
        labelledCalls: 250,
        labelledRows: 250,
        accuracy: 0.5,
        meanAbsoluteError: null,
      });
      assert.equal(measured.filter(([name, value]) => name === 'Accuracy' && value === 1).length, 125);
      await await_(truth.label('e', [{ inferenceId: 'i5', labels: ['5'] }]));
      assert.equal((await truth.quality('e')).accuracy, 126 / 250);
      assert.equal(measured.length, 250); // corrections are not measured twice
    });

    test('of many rows are joined in parts, and give the quality that is read once until labels or predictions change', async (t) => {
      const { db, clock, truth, await_, predicted } = await fixture(t, open);
      for (let i = 0; i < 12; i++) predicted({ inferenceId: `i${i}`, values: Array.from({ length: 1000 }, (_, row) => row % 10) });
      await await_(truth.flush());
      const after = t.mock.method(clock, 'after');
      const labels = Array.from({ length: 1000 }, (_, row) => row % 5);
      const { matched } = await await_(
        truth.label(
          'e',
          [...Array(12).keys()].map((i) => ({ inferenceId: `i${i}`, labels })),
        ),
      );
      assert.equal(matched, 12);
      // Four parts of at most 5,000 labels, and a pause after each.
      assert.equal(after.mock.calls.filter(({ arguments: [ms] }) => ms === 0).length, 3);
      const first = await truth.quality('e');
      assert.deepEqual([first.labelledRows, first.accuracy], [12_000, 0.5]);
      await db.deleteFrom('observed_predictions').where('inference_id', '=', 'i0').execute();
      assert.equal((await truth.quality('E')).calls, 12, 'nothing of its own changed');
      await await_(truth.label('e', [{ inferenceId: 'i1', labels }]));
      assert.equal((await truth.quality('e')).calls, 11);
      predicted({ inferenceId: 'new' });
      await await_(truth.flush());
      assert.equal((await truth.quality('e')).calls, 12);
    });

    test('are stored by inference id, the last ones posted, for 90 days and longer than the predictions', async (t) => {
      const { db, clock, truth, await_, predicted } = await fixture(t, open);
      const calledAtMs = clock.wallMs();
      predicted({ inferenceId: 'i', values: [1, 2] });
      predicted({ inferenceId: 'j', values: ['a'] });
      await await_(truth.label('e', [{ inferenceId: 'i', labels: [1, 1] }]));
      const posted = [
        { inferenceId: 'i', labels: [3, 'x'] },
        { inferenceId: 'j', labels: [true] },
        { inferenceId: 'absent', labels: [1] },
      ];
      await await_(truth.label('E', posted));
      const stored = async () =>
        (await truth.labelsOf('E', ['i', 'j', 'absent'])).toSorted((a, b) => (a.inferenceId < b.inferenceId ? -1 : 1));
      const expected = posted.slice(0, 2).map((each) => ({ ...each, calledAtMs }));
      assert.deepEqual(await stored(), expected);
      for (const days of [30, 61]) {
        assert.deepEqual(await stored(), expected);
        clock.advance(days * 86_400_000);
        predicted({ inferenceId: `new-${days}` });
        await await_(truth.flush());
      }
      assert.deepEqual(await stored(), []);
      await await_(truth.label('e', [{ inferenceId: 'new-61', labels: [1] }]));
      await db.deleteFrom('endpoints').execute();
      assert.deepEqual(await db.selectFrom('call_labels').selectAll().execute(), []);
    });

    test('of numbers give the mean absolute error, row by row', async (t) => {
      const { truth, measured, await_, predicted } = await fixture(t, open);
      predicted({ kind: 'value', values: [1, 2, 3] });
      await await_(truth.label('E', [{ inferenceId: 'i', labels: [1.5, 2, 1] }]));
      assert.deepEqual(await truth.quality('E'), {
        calls: 1,
        labelledCalls: 1,
        labelledRows: 3,
        accuracy: null,
        meanAbsoluteError: 2.5 / 3,
      });
      assert.deepEqual(
        measured.map(([, value]) => value),
        [0.5, 0, 2],
      );
    });

    test('find predictions for a week, the latest per id', async (t) => {
      const { db, clock, truth, await_, predicted } = await fixture(t, open);
      predicted({ inferenceId: 'old' });
      await await_(truth.flush());
      clock.advance(3 * 86_400_000);
      predicted({ inferenceId: 'i', values: [1] });
      await await_(truth.flush());
      predicted({ inferenceId: 'i', values: [2] });
      await await_(truth.flush());
      clock.advance(5 * 86_400_000);
      predicted({ inferenceId: 'new' });
      assert.deepEqual(
        (
          await await_(
            truth.label(
              'e',
              ['old', 'i', 'new'].map((id) => ({ inferenceId: id, labels: [2] })),
            ),
          )
        ).unknown,
        ['old'],
      );
      assert.deepEqual(await await_(truth.predictionsWithin('e', 0, clock.wallMs() + 1)), [2, 1]);
      await db.deleteFrom('endpoints').execute();
      assert.deepEqual(await db.selectFrom('observed_predictions').selectAll().execute(), []);
    });
  });
}

test('predictions are written after ten seconds; those beyond the limit are dropped, counted and reported', async (t) => {
  const { truth, clock, dropped, await_, predicted } = await fixture(t, openMemoryDatabase);
  predicted({ inferenceId: 'many', values: Array.from({ length: 1001 }, () => 1) });
  predicted({ inferenceId: 'none', values: [] });
  for (let i = 0; i < 5010; i++) predicted({ inferenceId: `i${i}` });
  clock.advance(10_000);
  await await_(truth.flush());
  assert.equal((await truth.quality('e')).calls, 5000);
  assert.deepEqual(dropped, [
    { endpoint: 'E', calls: 1, limit: '1000 rows per call' },
    { endpoint: 'E', calls: 10, limit: '5000 calls of all endpoints per 10 s' },
  ]);
  await await_(truth.flush());
  assert.equal(dropped.length, 2, 'each is reported once');
});

test('predictions are written later if writing fails', async (t) => {
  const failures: unknown[] = [];
  const { db, clock, truth, await_, predicted } = await fixture(t, openMemoryDatabase, failures);
  await sql`create trigger full_disk before insert on observed_predictions begin select raise(fail, 'no space left'); end`.execute(db);
  predicted({ inferenceId: 'i' });
  clock.advance(10_000);
  await assert.rejects(await_(truth.flush()), /no space left/);
  await sql`drop trigger full_disk`.execute(db);
  clock.advance(10_000);
  await await_(truth.flush());
  assert.equal((await truth.quality('e')).calls, 1);
});

test('a score counts equal classes, at most the number of rows', () => {
  assert.deepEqual(scoreOf({ kind: 'class', values: [3, 'spam', '1'] }, ['3.0', 'spam', true]), { rows: 3, hits: 3, errorSum: null });
  assert.equal(scoreOf({ kind: 'value', values: [1] }, ['spam']), null);
  const label = fc.oneof(fc.double({ noNaN: true }), fc.string(), fc.boolean());
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(fc.double({ noNaN: true }), fc.string()), label)), (rows) => {
      const score = scoreOf(
        { kind: 'class', values: rows.map(([value]) => value) },
        rows.map(([, truth]) => truth),
      );
      assert(score !== null && (score.hits as number) <= rows.length);
    }),
  );
});

for (const [what, text] of [
  ['no JSON', '{"inference_id":'],
  ['no id', '{"label":1}'],
  ['no label', '{"inference_id":"a"}'],
  ['a label that is an object', '{"inference_id":"a","label":{}}'],
  ['nothing', '\n'],
  ['null', 'null'],
] as const) {
  test(`rejects a line of ${what}`, () => assert.throws(() => readLabels(text, 10), { code: 'invalid_request' }));
}

test('rejects a label that is longer than the name of a class, which would be stored for 90 days', () => {
  const line = (label: unknown): string => JSON.stringify({ inference_id: 'a', label });
  assert.equal(readLabels(line('x'.repeat(256)), 10).length, 1);
  for (const label of ['x'.repeat(257), [1, 'x'.repeat(15 * 2 ** 20)]])
    assert.throws(() => readLabels(`\n${line(1)}\n${line(label)}`, 10), {
      code: 'invalid_request',
      message: /^line 2: expected labels of at most 256 characters, got one of/,
    });
});

test('cuts long ids as captures do, so that labels match', () => {
  const [label] = readLabels(JSON.stringify({ inference_id: 'i'.repeat(300), label: 1 }), 10);
  assert.equal(label?.inferenceId, 'i'.repeat(inferenceIdLengthMax));
});

test('stops at more empty lines than lines are allowed', () => {
  assert.throws(() => readLabels(`${'\n'.repeat(30)}{"inference_id":"a","label":1}`, 10), { message: /at most 11 empty lines/ });
});

test('accepts one label or one per row', () => {
  assert.deepEqual(readLabels('{"inference_id":"a","label":1}\n\n{"inference_id":"b","label":["x",true]}\n', 10), [
    { inferenceId: 'a', labels: [1] },
    { inferenceId: 'b', labels: ['x', true] },
  ]);
});

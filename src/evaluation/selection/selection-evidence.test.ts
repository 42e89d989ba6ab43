import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { insertEndpoint } from '../../../test/recorded-selection.ts';
import type { ServedView } from '../../serving/index.ts';
import { SelectionEvidence } from './selection-evidence.ts';

const cascade = { name: 'a/1>b/1@0.03', second: 'b/1', escalated: 0.0933, agreement: { rows: 408, disagreed: 2 } };
const alone = { name: 'b/1', second: null, escalated: 0, agreement: { rows: 450, disagreed: 0 } };

interface Counts {
  readonly rows?: number;
  readonly escalated?: number;
  readonly compared?: number;
  readonly disagreed?: number;
  readonly isShadow?: boolean;
}

const variant = ({ rows = 0, escalated = 0, compared = 0, disagreed = 0, isShadow = false }: Counts): unknown => ({
  isShadow,
  ladder: {
    config: { rungs: [cascade, alone], shadowShare: 0.01, selection: { decision: { rows: 450, atMs: 7 } } },
    rungs: [
      { rows, escalated, compared, disagreed },
      { rows: 1000, escalated: 0, compared: 0, disagreed: 0 },
    ],
  },
});

async function fixture(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  await insertEndpoint(db, 'Digits');
  const state = { variants: [] as readonly unknown[], endpoints: ['Digits'] };
  const served = () => ({ variants: state.variants }) as unknown as ServedView;
  const start = async (): Promise<SelectionEvidence> => {
    const evidence = new SelectionEvidence({ db, served, endpoints: () => state.endpoints });
    await evidence.open();
    return evidence;
  };
  const rows = () => db.selectFrom('selection_evidence').selectAll().execute();
  return { state, start, rows, db };
}

test('an endpoint drifts once more rows go on than its evaluation allows, over all its workers, without its shadow', async (t) => {
  const { state, start } = await fixture(t);
  const evidence = await start();
  const isDrifted = () => evidence.poll('Digits').escalation?.isDrifted;
  state.variants = [{ isShadow: false, ladder: null }];
  assert.equal(evidence.poll('Digits').escalation, null);
  state.variants = [variant({})];
  assert.equal(isDrifted(), null);
  state.variants = [variant({ rows: 300, escalated: 28 }), variant({ rows: 1000, escalated: 1000, isShadow: true })];
  assert.equal(isDrifted(), false);
  state.variants = [variant({ rows: 300, escalated: 28 }), variant({ rows: 500, escalated: 200 })];
  assert.equal(isDrifted(), true);
  state.variants = [variant({})];
  assert.equal(isDrifted(), true, 'it stays raised until another ladder is evaluated');
  state.variants = [];
  assert.equal(evidence.poll('Digits').escalation, null);
});

test('a plan that disagrees with the best one on more rows than its evaluation allows has drifted', async (t) => {
  const { state, start } = await fixture(t);
  const evidence = await start();
  state.variants = [variant({ compared: 1000, disagreed: 8 })];
  assert.equal(evidence.poll('Digits').agreement?.isDrifted, false);
  state.variants = [variant({ compared: 3000, disagreed: 150 })];
  const { agreement } = evidence.poll('Digits');
  assert.equal(agreement?.isDrifted, true);
  assert.match(agreement.reason, /^a\/1>b\/1@0\.03 answers 5\.0 % of the rows that it keeps otherwise/);
});

test('a restart continues from the last check, without deleted endpoints', async (t) => {
  const { state, start, rows, db } = await fixture(t);
  const before = await start();
  state.variants = [variant({ rows: 500, escalated: 200, compared: 40, disagreed: 1 })];
  before.poll('Digits');
  await before.store();
  const after = await start();
  state.variants = [variant({ rows: 10, escalated: 1, compared: 5 })];
  assert.equal(after.poll('Digits').escalation?.isDrifted, true, 'an alarm outlives the server');
  assert.match(after.poll('Digits').agreement?.reason ?? '', /of 45 compared rows/);
  await after.store();
  assert.deepEqual(
    (await rows())
      .map(({ kind, rows: count, fired_at_rows: fired }) => [kind, Number(count), fired === null ? null : Number(fired)])
      .sort(([a], [b]) => String(a).localeCompare(String(b))),
    [
      ['agreement', 45, null],
      ['escalation', 510, 500],
    ],
  );
  await db.deleteFrom('endpoints').execute();
  state.endpoints = [];
  await after.store();
  assert.deepEqual(await rows(), []);
});

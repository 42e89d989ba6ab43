import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServedView } from '../serving/index.ts';
import { Escalations } from './escalations.ts';

const cascade = { name: 'a/1>b/1@0.03', second: 'b/1', escalated: 0.0933 };
const alone = { name: 'b/1', second: null, escalated: 0 };

const variant = (rows: number, escalated: number, isShadow = false): unknown => ({
  isShadow,
  ladder: {
    config: { rungs: [cascade, alone], selection: { decision: { rows: 450 } } },
    rungs: [
      { rows, escalated },
      { rows: 1000, escalated: 0 },
    ],
  },
});

test('an endpoint drifts once more rows go on than its evaluation allows, over all its workers, without its shadow', () => {
  let variants: readonly unknown[] = [{ isShadow: false, ladder: null }];
  const escalations = new Escalations(() => ({ variants }) as unknown as ServedView);
  assert.equal(escalations.poll('digits'), null);
  variants = [variant(0, 0)];
  assert.equal(escalations.poll('digits')?.isDrifted, null);
  variants = [variant(300, 28), variant(1000, 1000, true)];
  assert.equal(escalations.poll('digits')?.isDrifted, false);
  variants = [variant(300, 28), variant(500, 200)];
  assert.equal(escalations.poll('digits')?.isDrifted, true);
  variants = [variant(0, 0)];
  assert.equal(escalations.poll('digits')?.isDrifted, true, 'it stays raised until another ladder is evaluated');
  variants = [];
  assert.equal(escalations.poll('digits'), null);
});

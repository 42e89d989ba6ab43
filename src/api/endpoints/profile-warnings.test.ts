import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VariantConfig } from '../../deployment/index.ts';
import { type Profile, ServiceTable } from '../../profiling/index.ts';
import type { ServedView } from '../../serving/index.ts';
import { profileWarnings } from './profile-warnings.ts';

const point = { b: 1, p50Ms: 16, p95Ms: 17, p99Ms: 17, samples: [16, 16, 17], rssMiB: 80 };
const profile: Profile = { executor: 'instance:local.1', service: [point], measuredAtMs: 0, loadMs: 20, batchMax: 1, notes: [] };
const variant: VariantConfig = { name: 'a', group: 'digits', version: 1, weight: 1, instanceCount: 1, instanceType: 'local.1' };

function notesOf(slowdown: number | undefined, variants: readonly VariantConfig[] = [variant], served?: ServedView): string[] {
  const table = new ServiceTable({ ...profile, ...(slowdown === undefined ? {} : { slowdown }) });
  return profileWarnings({ variants }, served, { tableOf: () => table });
}

const warning =
  'digits/1 was measured on a busy machine: runs took 3.1 times as long; the waiting is subtracted. `penstock profile digits/1` measures again';

test('warns once per model that was measured on a busy machine, with the slowdown', () => {
  assert.deepEqual(notesOf(3.12, [variant, { ...variant, name: 'b' }]), [warning]);
  const served = { variants: [{ name: 'a', functions: { setting: { memoryMiB: 2048 } } }] } as unknown as ServedView;
  assert.deepEqual(notesOf(3.12, [variant], served), [warning], 'and not again for its functions');
  assert.deepEqual(notesOf(3.12, [{ ...variant, instanceCount: 0 }], served), [warning]);
  assert.equal(notesOf(3.12, [variant, { ...variant, name: 'b', version: 2 }]).length, 2);
});

test('does not warn about models measured on an idle machine, or if the slowdown is unknown', () => {
  assert.deepEqual([notesOf(1.05), notesOf(undefined)], [[], []]);
});

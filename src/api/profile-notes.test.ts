import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VariantConfig } from '../deployment/index.ts';
import { type Profile, ServiceTable } from '../profiling/index.ts';
import type { ServedView } from '../serving/index.ts';
import { notesOnProfiles } from './profile-notes.ts';

const point = { b: 1, p50Ms: 16, p95Ms: 17, p99Ms: 17, samples: [16, 16, 17], rssMiB: 80 };
const profile: Profile = { executor: 'instance:local.1', service: [point], measuredAtMs: 0, loadMs: 20, batchMax: 1, notes: [] };
const variant: VariantConfig = { name: 'a', group: 'digits', version: 1, weight: 1, instanceCount: 1, instanceType: 'local.1' };

function notesOf(slowdown: number | undefined, variants: readonly VariantConfig[] = [variant], served?: ServedView): string[] {
  const table = new ServiceTable({ ...profile, ...(slowdown === undefined ? {} : { slowdown }) });
  return notesOnProfiles({ variants }, served, { tableOf: () => table });
}

test('an endpoint tells once of each model that was measured on a busy machine, and by how much', () => {
  assert.deepEqual(notesOf(3.12, [variant, { ...variant, name: 'b' }]), [
    'digits/1 on instance:local.1 was measured on a busy machine: its runs took 3.1 times as long, waiting for processors that others had; ' +
      'that waiting is taken off; `penstock profile digits/1` measures again',
  ]);
});

test('functions whose service times are those of the instance are not told of once more', () => {
  const served = { variants: [{ name: 'a', functions: { setting: { memoryMiB: 2048 } } }] } as unknown as ServedView;
  assert.equal(notesOf(3.12, [variant], served).length, 1);
  assert.match(notesOf(3.12, [{ ...variant, instanceCount: 0 }], served).join(), /^digits\/1 on function:2048 was measured/);
});

test('functions that were measured themselves are told of, though their runs took as many times as long', () => {
  const served = { variants: [{ name: 'a', functions: { setting: { memoryMiB: 2048 } } }] } as unknown as ServedView;
  const tableOf = (_: unknown, executor: string) =>
    new ServiceTable({ ...profile, slowdown: 3.12, measuredAtMs: executor === 'function:2048' ? 5000 : 0 });
  const notes = notesOnProfiles({ variants: [variant] }, served, { tableOf });
  assert.deepEqual(
    notes.map((note) => note.split(' was ')[0]),
    ['digits/1 on instance:local.1', 'digits/1 on function:2048'],
  );
});

test('an endpoint says nothing of models that had the machine to themselves, or of which nobody knows', () => {
  assert.deepEqual([notesOf(1.05), notesOf(undefined)], [[], []]);
});

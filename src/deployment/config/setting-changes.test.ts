import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prod, variant } from '../../../test/deployment-fixture.ts';
import { captureDefault } from '../../data-quality/index.ts';
import { functionsDefault } from './functions-config.ts';
import { parseFloor } from './scheduled-floor.ts';
import { settingChanges } from './setting-changes.ts';
import type { EndpointChange } from './variant-change.ts';

const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
const functions = { ...functionsDefault, batching: { kind: 'fixed', batchSizeMax: 4, waitMsMax: 20 } } as const;
const named = (name: string, version: number, weight = 1) => ({ ...variant, name, version, weight });

for (const { what, from = {}, to, expected } of [
  { what: 'nothing if nothing changed', to: {}, expected: [] },
  { what: 'nothing if only the version changed', to: { variants: [{ ...variant, version: 2 }] }, expected: [] },
  {
    what: 'the objective',
    from: { objective: { percentile: 95, latencyMs: 50 } },
    to: { objective: { percentile: 99, latencyMs: 20 } },
    expected: ['objective p95<=50ms p99<=20ms'],
  },
  {
    what: 'a removed objective',
    from: { objective: { percentile: 95, latencyMs: 50 } },
    to: { objective: null },
    expected: ['objective p95<=50ms null'],
  },
  {
    what: 'the handling of late requests, and the timeout',
    to: { late: 'shed', timeoutMs: 1000 },
    expected: ['late serve shed', 'timeout_ms 60000 1000'],
  },
  {
    what: 'bounds and floors of scaling',
    from: { variants: [{ ...variant, scaling }] },
    to: { variants: [{ ...variant, scaling: { ...scaling, instancesMax: 8, floors: [parseFloor('mon-fri 08:00-18:00 3')] } }] },
    expected: ['AllTraffic.scaling.instances_max 4 8', 'AllTraffic.scaling.floors null mon-fri 08:00-18:00 3'],
  },
  {
    what: 'added functions',
    to: { variants: [{ ...variant, functions }] },
    expected: [
      'AllTraffic.functions.memory_mib null auto',
      'AllTraffic.functions.max_concurrency null 10',
      'AllTraffic.functions.provisioned null 0',
      'AllTraffic.functions.keep_alive_ms null 60000',
      'AllTraffic.functions.batching null fixed',
      'AllTraffic.functions.batch_size_max null 4',
      'AllTraffic.functions.wait_ms_max null 20',
    ],
  },
  {
    what: 'the requested instance type if another one replaces it',
    to: { variants: [{ ...variant, instanceTypeAsked: 'ml.c5.large' }] },
    expected: ['AllTraffic.instance_type local.1 ml.c5.large'],
  },
  {
    what: 'capture settings',
    from: { capture: captureDefault },
    to: { capture: { ...captureDefault, percent: 10, redact: ['age', 'name'] } },
    expected: ['capture.percent 100 10', 'capture.redact  age, name'],
  },
  {
    what: 'weights',
    from: { variants: [named('a', 1), named('b', 2)] },
    to: { variants: [named('a', 1, 3), named('b', 2)] },
    expected: ['a.weight 1 3'],
  },
  {
    what: 'the models of variants that swap them',
    from: { variants: [named('a', 1), named('b', 2)] },
    to: { variants: [named('a', 2), named('b', 1)] },
    expected: ['a.model digits/1 digits/2', 'b.model digits/2 digits/1'],
  },
  {
    what: 'changes of a variant under its current spelling, but not the spelling',
    from: { variants: [{ ...variant, scaling }] },
    to: { variants: [{ ...variant, name: 'alltraffic', weight: 2, scaling }] },
    expected: ['alltraffic.weight 1 2'],
  },
  {
    what: 'a structured setting, such as one stored by a newer server, as JSON',
    from: { capture: captureDefault },
    to: { capture: { ...captureDefault, ...({ sampledBy: { header: 'x-user' } } as object) } },
    expected: ['capture.sampled_by null {"header":"x-user"}'],
  },
  { what: 'a long text, truncated', to: { description: 'd'.repeat(1000) }, expected: [`description null ${'d'.repeat(200)}…`] },
] satisfies readonly { what: string; from?: EndpointChange; to: EndpointChange; expected: string[] }[]) {
  test(`reports ${what}`, () => {
    const before = { ...prod, ...from };
    const changes = settingChanges(before, { ...before, ...to });
    assert.deepEqual(
      changes.map((change) => `${change.setting} ${change.from} ${change.to}`),
      expected,
    );
  });
}

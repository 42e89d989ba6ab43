import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prod, variant } from '../../test/deployment-house.ts';
import { captureDefault } from '../monitoring/index.ts';
import type { EndpointChange } from './endpoint-config.ts';
import { functionsDefault } from './functions-config.ts';
import { parseFloor } from './scheduled-floor.ts';
import { settingChanges } from './setting-changes.ts';

const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
const functions = { ...functionsDefault, batching: { kind: 'fixed', batchSizeMax: 4, waitMsMax: 20 } } as const;
const named = (name: string, version: number, weight = 1) => ({ ...variant, name, version, weight });

for (const { what, from = {}, to, told } of [
  { what: 'nothing', to: {}, told: [] },
  { what: 'the version alone, which is told as what it is', to: { variants: [{ ...variant, version: 2 }] }, told: [] },
  {
    what: 'the objective',
    from: { objective: { percentile: 95, latencyMs: 50 } },
    to: { objective: { percentile: 99, latencyMs: 20 } },
    told: ['objective p95<=50ms p99<=20ms'],
  },
  {
    what: 'an objective that is taken away',
    from: { objective: { percentile: 95, latencyMs: 50 } },
    to: { objective: null },
    told: ['objective p95<=50ms null'],
  },
  { what: 'what is late, and the timeout', to: { late: 'shed', timeoutMs: 1000 }, told: ['late serve shed', 'timeout_ms 60000 1000'] },
  {
    what: 'bounds and floors of scaling',
    from: { variants: [{ ...variant, scaling }] },
    to: { variants: [{ ...variant, scaling: { ...scaling, instancesMax: 8, floors: [parseFloor('mon-fri 08:00-18:00 3')] } }] },
    told: ['AllTraffic.scaling.instances_max 4 8', 'AllTraffic.scaling.floors null mon-fri 08:00-18:00 3'],
  },
  {
    what: 'functions that come',
    to: { variants: [{ ...variant, functions }] },
    told: [
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
    what: 'the type that was asked for, where another stands for it',
    to: { variants: [{ ...variant, instanceTypeAsked: 'ml.c5.large' }] },
    told: ['AllTraffic.instance_type local.1 ml.c5.large'],
  },
  {
    what: 'what is captured',
    from: { capture: captureDefault },
    to: { capture: { ...captureDefault, percent: 10, redact: ['age', 'name'] } },
    told: ['capture.percent 100 10', 'capture.redact  age, name'],
  },
  {
    what: 'shares',
    from: { variants: [named('a', 1), named('b', 2)] },
    to: { variants: [named('a', 1, 3), named('b', 2)] },
    told: ['a.weight 1 3'],
  },
  {
    what: 'which variant serves which version',
    from: { variants: [named('a', 1), named('b', 2)] },
    to: { variants: [named('a', 2), named('b', 1)] },
    told: ['a.model digits/1 digits/2', 'b.model digits/2 digits/1'],
  },
  {
    what: 'nothing of a variant whose name is only written otherwise, and what changed under the name it has now',
    from: { variants: [{ ...variant, scaling }] },
    to: { variants: [{ ...variant, name: 'alltraffic', weight: 2, scaling }] },
    told: ['alltraffic.weight 1 2'],
  },
  {
    what: 'a setting of more than one value, such as a newer server may have kept, as JSON',
    from: { capture: captureDefault },
    to: { capture: { ...captureDefault, ...({ sampledBy: { header: 'x-user' } } as object) } },
    told: ['capture.sampled_by null {"header":"x-user"}'],
  },
  { what: 'a long text, which is cut', to: { description: 'd'.repeat(1000) }, told: [`description null ${'d'.repeat(200)}…`] },
] satisfies readonly { what: string; from?: EndpointChange; to: EndpointChange; told: string[] }[]) {
  test(`tells ${what}`, () => {
    const before = { ...prod, ...from };
    const changes = settingChanges(before, { ...before, ...to });
    assert.deepEqual(
      changes.map((change) => `${change.setting} ${change.from} ${change.to}`),
      told,
    );
  });
}

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WorkerSpec } from '../providers/index.ts';
import { chooseHost } from './choose-host.ts';
import type { HostFacts } from './host.ts';
import { placedSpecOf } from './hosts-view.ts';

describe('what a worker occupies', () => {
  const noTypes: ReadonlySet<string> = new Set();
  const sha256 = 'a'.repeat(64);
  const specOf = (generation: number, version: number): WorkerSpec => ({
    id: `digits.alltraffic.${generation}.0`,
    endpoint: 'digits',
    variant: 'AllTraffic',
    generation,
    artifact: { sha256, bytes: 1 },
    modelName: `digits/${version}`,
    threads: 1,
    memoryMiB: 512,
    instanceType: 'local.1',
    kind: 'instance',
    vcpuMax: null,
  });
  const hosts = ['h1', 'h2'].map((name): HostFacts => {
    const artifacts = new Set(name === 'h1' ? [sha256] : []);
    return {
      name,
      zone: name,
      state: 'ready',
      cpuMilli: 8000,
      memoryMiB: 8192,
      accelerators: {},
      artifacts,
      warmWorkers: 0,
      isOnNotice: false,
      isLastResort: false,
    };
  });
  const hostOf = (next: WorkerSpec, first: WorkerSpec): string => {
    const choice = chooseHost(hosts, placedSpecOf(next, noTypes), [{ ...placedSpecOf(first, noTypes), host: 'h1' }]);
    return choice.fits ? choice.host : choice.reason;
  };

  test('an instance that a change of the endpoint adds is spread from those that it left running', () => {
    assert.equal(hostOf(specOf(2, 1), specOf(1, 1)), 'h2');
  });

  test('the instances of a new version are spread by themselves', () => {
    assert.equal(hostOf(specOf(2, 2), specOf(1, 1)), 'h1');
  });
});

/** Hosts and workers for tests. */
import type { HostFacts, PlacedWorker, PlacementRequest } from '../src/hosts/index.ts';

export function hostFixture(name: string, changes: Partial<HostFacts> = {}): HostFacts {
  return {
    name,
    zone: 'a',
    state: 'ready',
    cpuMilli: 8000,
    memoryMiB: 16_384,
    accelerators: {},
    artifacts: new Set(),
    warmWorkers: 0,
    isOnNotice: false,
    ...changes,
  };
}

export function instanceRequest(changes: Partial<PlacementRequest> = {}): PlacementRequest {
  return {
    variant: 'digits/blue',
    kind: 'instance',
    artifact: 'f00d',
    instances: 1,
    cpuMilli: 2000,
    memoryMiB: 4096,
    accelerator: null,
    ...changes,
  };
}

export function functionRequest(changes: Partial<PlacementRequest> = {}): PlacementRequest {
  return instanceRequest({ kind: 'function', cpuMilli: 500, memoryMiB: 1024, ...changes });
}

export function placedWorker(id: string, host: string, changes: Partial<PlacementRequest> = {}): PlacedWorker {
  return { ...instanceRequest(changes), id, host };
}

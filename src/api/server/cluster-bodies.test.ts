/** A host in responses: its devices, its warm workers, and the jobs whose tasks it runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHosts } from '../../../test/host-fixture.ts';
import type { HostStatus } from '../../hosts/index.ts';
import { hostDetailBody, hostDetailBodyOf } from './cluster-bodies.ts';

test('a host says how many workers have a share of its devices, how many are warm, and whose tasks it runs', () => {
  const hosts = new MemoryHosts();
  const size = { cpuMilli: 2000, memoryMiB: 4096 };
  const taskOf = (id: string) => ({ id, state: 'running', ...size }) as const;
  hosts.set('h1', {
    accelerators: { 'local.gpu': 4, 'local.tpu': 1 },
    warmWorkers: 2,
    tasks: { cpuMilli: 4000, memoryMiB: 8192 },
    hostTasks: [taskOf('digits-7/2/1795881002000'), taskOf('processing.clean/1/1795881002000')],
  });
  hosts.start('d0', 'h1', { accelerator: 'local.gpu' });
  hosts.start('d1', 'h1');
  const [observed] = hosts.list();
  assert(observed !== undefined);
  const unknown = { sinceMs: null, endsAtMs: null, version: null, clockOffsetMs: null };
  const used = { cpuUsedMilli: 8000, memoryUsedMiB: 16_384, hostTasks: observed.hostTasks ?? [] };
  const status: HostStatus = { ...observed, ...unknown, ...used, state: 'ready', blocked: [] };
  const body = hostDetailBody.parse(hostDetailBodyOf(status));
  assert.deepEqual(body.accelerators, { 'local.gpu': { workers: 1, workers_max: 4 }, 'local.tpu': { workers: 0, workers_max: 1 } });
  assert.deepEqual([body.warm_workers, body.task_count], [2, 2]);
  assert.deepEqual(
    body.tasks.map(({ kind, job, attempt }) => `${kind} ${job} ${attempt}`),
    ['training digits-7 2', 'processing clean 1'],
  );
});

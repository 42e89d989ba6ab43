/** An endpoint under half of its load, alone and beside a job that keeps two processes per core busy; and a further instance beside a spot job. */
import { cpus } from 'node:os';
import type { EndpointBody, TrainingJobBody } from '../../src/api/index.ts';
import type { Server } from '../../test/end-to-end/server.ts';
import { median } from '../load/latencies.ts';
import { runLoad } from '../load/load.ts';
import { jsonRequests } from '../overhead/requests.ts';
import type { Measured } from './report.ts';

const limitMs = 50;
/** A new generator and 64 new connections take up to 300 ms to spread over cores that are all busy. */
const warmUpMs = 1000;
const cores = cpus().length;
/** Two processes per core that never wait. */
const burner = `for i in $(seq ${2 * cores}); do (while :; do :; done) & done; wait`;

async function burning(server: Server, name: string, more: object = {}): Promise<void> {
  await server.callWell('POST', '/training-jobs', { name, environment: null, command: ['/bin/sh', '-c', burner], ...more });
  for (;;) {
    const job = await server.callWell<TrainingJobBody>('GET', `/training-jobs/${name}`);
    if (job.secondary_status === 'Training') return;
    if (job.status !== 'InProgress') throw new Error(`${name} is ${job.status}: ${job.reason}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function stopped(server: Server, name: string): Promise<void> {
  await server.callWell('POST', `/training-jobs/${name}/stop`, {});
  for (;;) {
    const { status } = await server.callWell<TrainingJobBody>('GET', `/training-jobs/${name}`);
    if (status !== 'InProgress' && status !== 'Stopping') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function servingDuringJob(server: Server, seconds: number): Promise<Measured[]> {
  await server.deploy('digits', 'digits_mlp', { objective: 'p95<=50ms' });
  await server.batches('digits');
  const url = new URL(server.url);
  const target = { host: url.hostname, port: Number(url.port), requests: jsonRequests(url, 'digits') };
  const full = await runLoad({ ...target, shape: { kind: 'closed', concurrency: 16, warmUpMs: 5000, measureMs: 5000 } });
  const ratePerSecond = full.ratePerSecond / 2;
  const loaded = (seed: number) =>
    runLoad({
      ...target,
      limitMs,
      shape: { kind: 'open', phases: [{ ratePerSecond, forMs: warmUpMs + 1000 * seconds }], seed, connections: 64, warmUpMs },
    });
  const alone = await loaded(1);
  await burning(server, 'burner', { instance_type: 'local.1' });
  const during = await loaded(2);
  await stopped(server, 'burner');
  const failed = Object.values(during.failures).reduce((sum, each) => sum + each, 0);
  const load = `digits-mlp, p95<=50ms, ${ratePerSecond.toFixed(0)} requests/s (half of what it serves), ${seconds} s after the first`;
  return [
    { what: `${load}: in time alone`, value: 100 * alone.inTime, unit: '%' },
    { what: `in time beside a job with ${2 * cores} busy processes`, value: 100 * during.inTime, unit: '%', least: 99.5 },
    { what: 'failed requests beside it', value: failed, unit: '', most: 0 },
    { what: 'p95 alone', value: alone.latencyMs.p95, unit: 'ms' },
    { what: 'p95 beside the job, of that alone', value: during.latencyMs.p95 / alone.latencyMs.p95, unit: 'times', most: 1.3 },
    { what: 'p99 beside the job', value: during.latencyMs.p99, unit: 'ms' },
  ];
}

/** From the request for a second instance until it is ready, less the same without a spot job. */
export async function instanceDuringSpot(server: Server, rounds: number): Promise<Measured[]> {
  const scaled = async (count: number): Promise<number> => {
    const from = performance.now();
    await server.callWell('PATCH', '/endpoints/digits', { variants: [{ name: 'AllTraffic', instance_count: count }] });
    for (;;) {
      const { variants } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
      if (variants.every(({ ready }) => ready === count)) return performance.now() - from;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const times = async (): Promise<number[]> => {
    const found: number[] = [];
    for (let round = 0; round < rounds; round++) {
      found.push(await scaled(2));
      await scaled(1);
    }
    return found;
  };
  const alone = await times();
  await burning(server, 'spot', { spot: true, max_wait_s: 7200, max_runtime_s: 3600 });
  const during = await times();
  await stopped(server, 'spot');
  return [
    { what: `a further instance is ready, alone, median of ${rounds}`, value: median(alone), unit: 'ms' },
    { what: 'the same beside a spot job, later by', value: median(during) - median(alone), unit: 'ms', most: 1000 },
  ];
}

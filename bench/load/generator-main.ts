/** The load generator's process: takes one order, sends one report. */
import { poissonArrivals, runOpenLoop } from '../../src/cli/load/open-loop.ts';
import { SystemClock } from '../../src/clock.ts';
import { SeededRandom } from '../../src/random.ts';
import { runClosedLoop } from './closed-loop.ts';
import { summarize } from './latencies.ts';
import type { LoadOrder, LoadReport } from './load.ts';

async function run({ host, port, requests, shape, limitMs = Number.POSITIVE_INFINITY }: LoadOrder): Promise<LoadReport> {
  const buffers = requests.map((request) => Buffer.from(request));
  const requestOf = (i: number): Buffer => buffers[i % buffers.length] as Buffer;
  const startMs = performance.now();
  const cpuBefore = process.cpuUsage();
  const { latenciesMs, failures, elapsedMs } =
    shape.kind === 'closed'
      ? await runClosedLoop({ host, port, requestOf, ...shape })
      : await runOpenLoop({
          clock: new SystemClock(),
          host,
          port,
          requestOf,
          arrivalsMs: poissonArrivals(shape.phases, new SeededRandom(shape.seed)),
          connections: shape.connections,
        });
  const { user, system } = process.cpuUsage(cpuBefore);
  const failed = failures.values().reduce((sum, count) => sum + count, 0);
  return {
    answers: latenciesMs.length,
    ratePerSecond: latenciesMs.length / (elapsedMs / 1000),
    latencyMs: summarize(latenciesMs),
    inTime: latenciesMs.filter((latencyMs) => latencyMs <= limitMs).length / (latenciesMs.length + failed),
    failures: Object.fromEntries(failures),
    generatorCpu: (user + system) / 1000 / (performance.now() - startMs),
  };
}

// Listening on, it stays alive until the report has been read: the other side ends it.
process.on('message', (order: LoadOrder) => {
  void run(order).then((report) => process.send?.(report));
});

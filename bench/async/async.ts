/**
 * `npm run bench -- async`: latency of accepting a request while others are processed, and the rate at which the queue drains. Each
 * acceptance is a transaction that is on disk before the response.
 */
import { fileURLToPath } from 'node:url';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { type LoadReport, runLoad } from '../load/load.ts';
import { commit, machine } from '../machine.ts';
import { digitBodies } from '../overhead/requests.ts';
import { writeResults } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { type AsyncFigures, asyncTable } from './report.ts';

const ratesPerSecond = [100, 300, 600] as const;
const forMs = 10_000;
const connections = 64;
const targetMs = 20;
/** Number of requests submitted at once, to measure how fast the queue drains. */
const flood = 5000;

export async function asyncInference({ isDry }: { isDry: boolean }): Promise<void> {
  const platform = new Platform();
  try {
    await platform.start();
    const modelPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
    await platform.deploy({ modelPath, name: 'digits', objective: 'p95<=2m' });
    const { url } = platform.server;
    const submits = digitBodies().map((body) => postRequest(asyncUrl(url), body, { 'Content-Type': 'application/json' }));
    const options = { host: url.hostname, port: Number(url.port), requests: submits, limitMs: targetMs };
    await runLoad({ ...options, shape: { kind: 'open', phases: [{ ratePerSecond: 100, forMs: 2000 }], seed: 1, connections } });
    await untilEmpty(url);
    const figures: AsyncFigures[] = [];
    for (const ratePerSecond of ratesPerSecond) {
      const load = await runLoad({
        ...options,
        shape: { kind: 'open', phases: [{ ratePerSecond, forMs }], seed: ratePerSecond, connections },
      });
      assertNoFailures(load);
      figures.push({ ratePerSecond, load, drainMs: await untilEmpty(url) });
      console.error(`${ratePerSecond}/s: p50 ${load.latencyMs.p50.toFixed(1)} ms, p99 ${load.latencyMs.p99.toFixed(1)} ms`);
    }
    const startedMs = performance.now();
    const burst = await runLoad({
      ...options,
      shape: { kind: 'open', phases: [{ ratePerSecond: flood * 1000, forMs: 1 }], seed: 7, connections },
    });
    assertNoFailures(burst);
    await untilEmpty(url);
    const floodSeconds = (performance.now() - startedMs) / 1000;
    const results = {
      at: new Date().toISOString(),
      commit: commit(),
      machine: machine(),
      figures,
      flood: { requests: burst.answers, acceptedPerSecond: burst.ratePerSecond, finishedPerSecond: burst.answers / floodSeconds },
    };
    const text = asyncTable(results);
    console.log(text);
    if (!isDry) writeResults('async', results, text);
  } finally {
    await platform.close();
  }
}

function asyncUrl(url: URL): URL {
  return new URL('/api/v1/endpoints/digits/async', url);
}

function assertNoFailures({ failures }: LoadReport): void {
  if (Object.keys(failures).length > 0) throw new Error(`requests failed: ${JSON.stringify(failures)}`);
}

/** Waits until the queue is empty. Returns the elapsed milliseconds. */
async function untilEmpty(url: URL): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const response = await fetch(new URL('/api/v1/async?state=queued&limit=1', url));
    const { items } = (await response.json()) as { items: unknown[] };
    if (items.length === 0) return performance.now() - startedMs;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

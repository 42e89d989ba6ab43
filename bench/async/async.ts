/**
 * `npm run bench -- async`: how long a request takes to be accepted while others are worked on, and how fast a queue is emptied.
 * Each acceptance is a transaction that is on the disk before its answer.
 */
import { fileURLToPath } from 'node:url';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { type LoadReport, runLoad } from '../load/load.ts';
import { commit, machine } from '../machine.ts';
import { digitBodies } from '../overhead/requests.ts';
import { keep } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { type AsyncFigures, asyncTable } from './report.ts';

const ratesPerSecond = [100, 300, 600] as const;
const forMs = 10_000;
const connections = 64;
const wantedMs = 20;
/** Accepted as fast as it goes, to be emptied. */
const flood = 5000;

export async function asyncInference({ isDry }: { isDry: boolean }): Promise<void> {
  const platform = new Platform();
  try {
    await platform.start();
    const modelPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
    await platform.deploy({ modelPath, name: 'digits', objective: 'p95<=2m' });
    const { url } = platform.server;
    const submits = digitBodies().map((body) => postRequest(asyncUrl(url), body, { 'Content-Type': 'application/json' }));
    const order = { host: url.hostname, port: Number(url.port), requests: submits, limitMs: wantedMs };
    await runLoad({ ...order, shape: { kind: 'open', phases: [{ ratePerSecond: 100, forMs: 2000 }], seed: 1, connections } });
    await emptied(url);
    const figures: AsyncFigures[] = [];
    for (const ratePerSecond of ratesPerSecond) {
      const load = await runLoad({
        ...order,
        shape: { kind: 'open', phases: [{ ratePerSecond, forMs }], seed: ratePerSecond, connections },
      });
      mustBeWhole(load);
      figures.push({ ratePerSecond, load, leftMs: await emptied(url) });
      console.error(`${ratePerSecond}/s: p50 ${load.latencyMs.p50.toFixed(1)} ms, p99 ${load.latencyMs.p99.toFixed(1)} ms`);
    }
    const startedMs = performance.now();
    const burst = await runLoad({
      ...order,
      shape: { kind: 'open', phases: [{ ratePerSecond: flood * 1000, forMs: 1 }], seed: 7, connections },
    });
    mustBeWhole(burst);
    await emptied(url);
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
    if (!isDry) keep('async', results, text);
  } finally {
    await platform.close();
  }
}

function asyncUrl(url: URL): URL {
  return new URL('/api/v1/endpoints/digits/async', url);
}

function mustBeWhole({ failures }: LoadReport): void {
  if (Object.keys(failures).length > 0) throw new Error(`requests were refused: ${JSON.stringify(failures)}`);
}

/** How long it takes until no request waits any more. */
async function emptied(url: URL): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const answer = await fetch(new URL('/api/v1/async?state=queued&limit=1', url));
    const { items } = (await answer.json()) as { items: unknown[] };
    if (items.length === 0) return performance.now() - startedMs;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

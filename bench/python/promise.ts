/** A promise under an open load: the forest on one instance with `p95<=100ms`. */
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { runLoad } from '../load/load.ts';
import { untilServing } from './rates.ts';
import type { Models, Subject } from './subjects.ts';

const limitMs = 100;
const seed = 11;

export interface PromiseFigures {
  readonly ratePerSecond: number;
  readonly p95Ms: number;
  /** Share of all requests that were answered within the objective. */
  readonly inTime: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly meanBatch: number;
}

/** Poisson arrivals; latency counts from the time at which a request was due. */
export async function keepPromise(subject: Subject, models: Models, rate: number, seconds: number): Promise<PromiseFigures> {
  const running = await subject.start('forest');
  try {
    const { url } = running;
    const requests = models.rows.map((row) => postRequest(url, subject.bodyOf(row), { 'Content-Type': 'application/json' }));
    const load = async (forMs: number, at: number) =>
      runLoad({
        host: url.hostname,
        port: Number(url.port),
        requests,
        shape: { kind: 'open', phases: [{ ratePerSecond: rate, forMs }], seed: at, connections: 64 },
        limitMs,
      });
    await untilServing(running, subject.bodyOf(models.rows[0] ?? []));
    await load(3000, seed);
    const before = await batches(url);
    const { answers, latencyMs, inTime, failures } = await load(seconds * 1000, seed + 1);
    if (answers === 0) throw new Error(`the forest answered no request at ${rate}/s: ${JSON.stringify(failures)}`);
    const after = await batches(url);
    const meanBatch = (after.rows - before.rows) / (after.count - before.count);
    console.error(
      `forest at ${rate}/s: p95 ${latencyMs.p95.toFixed(1)} ms, mean batch ${meanBatch.toFixed(2)}, failed ${JSON.stringify(failures)}`,
    );
    return { ratePerSecond: rate, p95Ms: latencyMs.p95, inTime, failures, meanBatch };
  } finally {
    await running.stop();
  }
}

/** Batches dispatched so far, and their rows. */
async function batches(url: URL): Promise<{ readonly rows: number; readonly count: number }> {
  const text = await (await fetch(new URL('/metrics', url))).text();
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'gm'))].reduce((total, [, value]) => total + Number(value), 0);
  return { rows: sum('penstock_batch_rows_sum'), count: sum('penstock_batch_rows_count') };
}

/**
 * `npm run bench -- watching-alone`: cost of metrics and the request log per request, in a loop without a server. Measured as CPU time of
 * all threads, which is meaningful on a shared machine, too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../src/clock.ts';
import { openLogs, type RequestLine } from '../../src/logs/index.ts';
import { MetricStore, Metrics } from '../../src/metrics/index.ts';
import { openDatabase } from '../../src/storage/index.ts';
import { median } from '../load/latencies.ts';

const requests = 200_000;
const batch = 16;
/** Yields to the event loop after this many requests, as a server does. */
const turn = 500;
const rounds = 7;

export async function watchingAlone(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-watching-'));
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  const clock = new SystemClock();
  const store = new MetricStore({
    db,
    clock,
    onFailure: (error) => {
      throw error;
    },
  });
  const variant = new Metrics({ store, processMetrics: false }).variant('digits', 'AllTraffic');
  variant.runsOn(1);
  const logs = openLogs(directory, 'warn');
  try {
    const works = {
      metrics: (line: RequestLine, i: number) => {
        variant.answered(line, 'instance', false);
        if (i % batch === 0) variant.dispatch('idle', batch);
      },
      'request log line': (line: RequestLine) => logs.requests.add(line, 1),
    };
    for (const [name, work] of Object.entries(works)) {
      const us: number[] = [];
      for (let round = 0; round < rounds; round++) us.push((await cpuMsOf(work, () => logs.flush())) * (1000 / requests));
      console.log(
        `${name.padEnd(18)} ${median(us).toFixed(2)} us per request, ${Math.min(...us).toFixed(2)} to ${Math.max(...us).toFixed(2)}`,
      );
    }
  } finally {
    await logs.close();
    await close();
    rmSync(directory, { recursive: true });
  }
}

async function cpuMsOf(work: (line: RequestLine, i: number) => void, last: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < requests; i++) {
    work(lineOf(i), i);
    if (i % turn === 0) await new Promise(setImmediate);
  }
  await last();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Lines of the same batch have the same cost and compute time. */
function lineOf(i: number): RequestLine {
  const [own, shared] = [1 + ((i * 7919) % 3001) / 1000, 1 + ((Math.floor(i / batch) * 7919) % 997) / 1000];
  return {
    atMs: 1_795_700_000_000 + Math.floor(i / 30),
    requestId: `401536a4d6-${i.toString(36)}`,
    endpoint: 'digits',
    variant: 'AllTraffic',
    version: '1',
    status: 'ok',
    rows: 1,
    batchRows: batch,
    batchRequests: batch,
    rowsAhead: i % 20,
    batchWaitMs: 0,
    closeReason: 'idle',
    executor: 'instance:local.1',
    queueMs: own * 0.6,
    computeMs: shared,
    encodeMs: own * 0.02,
    totalMs: own + shared,
    costUsd: shared * 1e-9,
  };
}

/** Closed loops through each server: rate, latency and the server's CPU time, in interleaved rounds. */
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { median } from '../load/latencies.ts';
import { closedLoop, type LoopTarget, type MeasuredLoop, measuredLoop } from '../load/measured-loop.ts';
import { hasWrk } from '../load/wrk.ts';
import { DirectCalls } from './direct-calls.ts';
import type { Models, RunningSubject, Subject } from './subjects.ts';

export const concurrencies = [1, 32] as const;
const warmUpMs = 1000;
const directMs = 1000;
const readyMsMax = 60_000;
/** One client and calls in Python take turns: the speed of a machine changes from second to second. */
const turns = 6;

/** One measurement of one server. */
export interface RateCell extends MeasuredLoop {
  readonly model: string;
  readonly server: string;
  readonly concurrency: number;
  /** With one client: the p50 beyond the median of a call in Python at the same pace. */
  readonly addedMs?: number;
}

/** One measurement of the function alone, in Python: medians of a call. */
export interface DirectCell {
  readonly model: string;
  readonly oneRowMs: number;
  readonly rows32Ms: number;
}

export interface Round {
  /** In a loop without pauses. */
  readonly direct: DirectCell;
  readonly cells: readonly RateCell[];
}

export const generator = (): string => (hasWrk() ? 'wrk' : 'own generator');

/** One round: each server is started, measured at each concurrency and ended before the next, so that idle ones take no time. */
export async function measureRound(
  model: string,
  subjects: readonly Subject[],
  models: Models,
  python: string,
  measureMs: number,
): Promise<Round> {
  const calls = DirectCalls.start(model, models, python);
  try {
    const direct = { model, oneRowMs: await calls.medianMs(1, directMs), rows32Ms: await calls.medianMs(32, directMs) };
    const cells: RateCell[] = [];
    for (const subject of subjects) {
      try {
        cells.push(...(await measureSubject(model, subject, models, calls, measureMs)));
      } catch (error) {
        // A server that does not start on a busy machine is left out of the round.
        console.error(`${model}, ${subject.name}: ${String(error)}`);
      }
    }
    return { direct, cells };
  } finally {
    await calls.close();
  }
}

async function measureSubject(model: string, subject: Subject, models: Models, calls: DirectCalls, measureMs: number): Promise<RateCell[]> {
  const running = await subject.start(model);
  try {
    await untilServing(running, subject.bodyOf(models.rows[0] ?? []));
    const bodies = models.rows.map((row) => subject.bodyOf(row));
    const requests = bodies.map((body) => postRequest(running.url, body, { 'Content-Type': 'application/json' }));
    // By name: the pid of a peer is a getter, which a spread leaves out.
    const target = { url: running.url, pid: running.pid, requests };
    const cells: RateCell[] = [];
    for (const concurrency of concurrencies) {
      await closedLoop(target, concurrency, warmUpMs);
      const measured = concurrency === 1 ? await oneClient(target, calls, measureMs) : await measuredLoop(target, concurrency, measureMs);
      const cell: RateCell = { model, server: subject.name, concurrency, ...measured };
      const added = cell.addedMs === undefined ? '' : `, of which added ${cell.addedMs.toFixed(2)} ms`;
      console.error(
        `${model}, ${subject.name}, c = ${concurrency}: ${cell.ratePerSecond.toFixed(0)}/s, p50 ${cell.p50Ms.toFixed(2)} ms${added}`,
      );
      cells.push(cell);
    }
    return cells;
  } finally {
    await running.stop();
  }
}

/**
 * One client in turn with calls in Python. A server calls the function after a pause, in which the processor's caches and clock go cold,
 * for the time that it adds itself; so do the calls, because any caller at that pace pays for it.
 */
async function oneClient(target: LoopTarget, calls: DirectCalls, measureMs: number): Promise<MeasuredLoop & { readonly addedMs: number }> {
  const turnMs = measureMs / turns;
  const loops: MeasuredLoop[] = [];
  const added: number[] = [];
  let pauseMs = 0;
  for (let turn = 0; turn <= turns; turn++) {
    const aloneMs = await calls.medianMs(1, turnMs, pauseMs);
    const loop = await measuredLoop(target, 1, turnMs);
    pauseMs = Math.max(0, loop.p50Ms - aloneMs);
    if (turn === 0) continue; // without a pause
    loops.push(loop);
    added.push(loop.p50Ms - aloneMs);
  }
  const medianOf = (valueOf: (loop: MeasuredLoop) => number): number => median(loops.map(valueOf));
  return {
    ratePerSecond: medianOf((loop) => loop.ratePerSecond),
    p50Ms: medianOf((loop) => loop.p50Ms),
    p99Ms: medianOf((loop) => loop.p99Ms),
    cpuUsPerRequest: medianOf((loop) => loop.cpuUsPerRequest),
    addedMs: median(added),
  };
}

/** Penstock is ready before its instances are. */
export async function untilServing({ url }: RunningSubject, body: string): Promise<void> {
  const untilMs = performance.now() + readyMsMax;
  for (;;) {
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    const text = await response.text();
    if (response.ok) return;
    if (performance.now() > untilMs) throw new Error(`${url.href} does not answer: ${response.status} ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

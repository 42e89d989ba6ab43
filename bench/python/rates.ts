/** Closed loops through each server: rate, latency and the server's CPU time, in interleaved rounds. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { closedLoop, type MeasuredLoop, measuredLoop } from '../load/measured-loop.ts';
import { hasWrk } from '../load/wrk.ts';
import { type Models, oneThread, type RunningSubject, type Subject } from './subjects.ts';

export const concurrencies = [1, 32] as const;
const warmUpMs = 1000;
const readyMsMax = 60_000;

/** One measurement of one server. */
export interface RateCell extends MeasuredLoop {
  readonly model: string;
  readonly server: string;
  readonly concurrency: number;
}

/** One measurement of the function alone, in Python: medians of a call. */
export interface DirectCell {
  readonly model: string;
  readonly oneRowMs: number;
  readonly rows32Ms: number;
}

/** Medians of a call of one row: in a loop without pauses, and after pauses of these lengths, ascending. */
export interface PacedCalls {
  readonly oneRowMs: number;
  readonly paused: readonly { readonly pauseMs: number; readonly oneRowMs: number }[];
}

export interface Round {
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
  const direct = await callDirectly(model, models, python);
  const cells: RateCell[] = [];
  for (const subject of subjects) {
    try {
      cells.push(...(await measureSubject(model, subject, models, measureMs)));
    } catch (error) {
      // A server that does not start on a busy machine is left out of the round.
      console.error(`${model}, ${subject.name}: ${String(error)}`);
    }
  }
  return { direct, cells };
}

async function measureSubject(model: string, subject: Subject, models: Models, measureMs: number): Promise<RateCell[]> {
  const running = await subject.start(model);
  try {
    await untilServing(running, subject.bodyOf(models.rows[0] ?? []));
    const bodies = models.rows.map((row) => subject.bodyOf(row));
    const requests = bodies.map((body) => postRequest(running.url, body, { 'Content-Type': 'application/json' }));
    const target = { ...running, requests };
    const cells: RateCell[] = [];
    for (const concurrency of concurrencies) {
      await closedLoop(target, concurrency, warmUpMs);
      const cell = { model, server: subject.name, concurrency, ...(await measuredLoop(target, concurrency, measureMs)) };
      console.error(`${model}, ${subject.name}, c = ${concurrency}: ${cell.ratePerSecond.toFixed(0)}/s, p50 ${cell.p50Ms.toFixed(2)} ms`);
      cells.push(cell);
    }
    return cells;
  } finally {
    await running.stop();
  }
}

async function callDirectly(model: string, models: Models, python: string): Promise<DirectCell> {
  const found = await direct(model, models, python);
  return { model, oneRowMs: Number(found['1']), rows32Ms: Number(found['32']) };
}

/** A server with one client calls the function after a pause, in which the processor caches and clocks of the model go cold. */
const pausesMs = [0.25, 0.5, 1, 2, 4, 8];

/** The function called in Python at several paces. */
export async function callPaced(model: string, models: Models, python: string): Promise<PacedCalls> {
  const found = await direct(model, models, python, [pausesMs.join(',')]);
  const paused = (found['paused'] as [number, number][]).map(([pauseMs, oneRowMs]) => ({ pauseMs, oneRowMs }));
  return { oneRowMs: Number(found['1']), paused };
}

async function direct(model: string, { folder }: Models, python: string, more: readonly string[] = []): Promise<Record<string, unknown>> {
  const script = fileURLToPath(new URL('./models/direct.py', import.meta.url));
  const args = [script, `${folder}/${model}`, '1', `${folder}/rows.json`, ...more];
  const { stdout } = await promisify(execFile)(`${python}/bin/python`, args, { env: { ...process.env, ...oneThread } });
  return JSON.parse(stdout) as Record<string, unknown>;
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

/** Closed loops through each server: rate, latency and the server's CPU time, in interleaved rounds. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { type LoadReport, runLoad } from '../load/load.ts';
import { hasWrk, runWrk } from '../load/wrk.ts';
import { cpuMsOf } from '../servers/process-tree.ts';
import { type Models, oneThread, type RunningSubject, type Subject } from './subjects.ts';

export const concurrencies = [1, 32] as const;
const warmUpMs = 1000;
const readyMsMax = 60_000;

/** One measurement of one server. */
export interface RateCell {
  readonly model: string;
  readonly server: string;
  readonly concurrency: number;
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of all processes of the server per response. */
  readonly cpuUsPerRequest: number;
}

/** One measurement of the function alone, in Python: medians of a call. */
export interface DirectCell {
  readonly model: string;
  readonly oneRowMs: number;
  readonly rows32Ms: number;
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
    const cells: RateCell[] = [];
    for (const concurrency of concurrencies) {
      const cell = { model, server: subject.name, concurrency, ...(await measure(running, subject, models, concurrency, measureMs)) };
      console.error(`${model}, ${subject.name}, c = ${concurrency}: ${cell.ratePerSecond.toFixed(0)}/s, p50 ${cell.p50Ms.toFixed(2)} ms`);
      cells.push(cell);
    }
    return cells;
  } finally {
    await running.stop();
  }
}

async function callDirectly(model: string, { folder }: Models, python: string): Promise<DirectCell> {
  const script = fileURLToPath(new URL('./models/direct.py', import.meta.url));
  const args = [script, `${folder}/${model}`, '1', `${folder}/rows.json`];
  const { stdout } = await promisify(execFile)(`${python}/bin/python`, args, { env: { ...process.env, ...oneThread } });
  const medians = JSON.parse(stdout) as Record<string, number>;
  return { model, oneRowMs: medians['1'] ?? Number.NaN, rows32Ms: medians['32'] ?? Number.NaN };
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

async function measure(
  { url, pid }: RunningSubject,
  subject: Subject,
  { rows }: Models,
  concurrency: number,
  measureMs: number,
): Promise<Omit<RateCell, 'model' | 'server' | 'concurrency'>> {
  const requests = rows.map((row) => postRequest(url, subject.bodyOf(row), { 'Content-Type': 'application/json' }));
  const target = { host: url.hostname, port: Number(url.port), requests };
  await closedLoop(target, concurrency, warmUpMs);
  const cpuBeforeMs = cpuMsOf(pid);
  const { ratePerSecond, latencyMs, answers, failures } = await closedLoop(target, concurrency, measureMs);
  const cpuMs = cpuMsOf(pid) - cpuBeforeMs;
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  // A server may reject some requests under load; one that rejects many is not comparable.
  if (failed > answers / 100) throw new Error(`${subject.name}: ${failed} of ${answers + failed} requests failed`);
  return { ratePerSecond, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, cpuUsPerRequest: (cpuMs * 1000) / answers };
}

function closedLoop(
  target: { readonly host: string; readonly port: number; readonly requests: readonly Uint8Array[] },
  concurrency: number,
  measureMs: number,
): Promise<LoadReport> {
  if (hasWrk()) return runWrk({ ...target, concurrency, measureMs });
  return runLoad({ ...target, shape: { kind: 'closed', concurrency, warmUpMs: 200, measureMs } });
}

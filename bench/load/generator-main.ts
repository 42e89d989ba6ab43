/** The load generator's process: receives one set of options, sends one report. */
import { runClosedLoop } from '../../src/cli/load/closed-loop.ts';
import { type LoadResult, type LoadTarget, poissonArrivals, runOpenLoop } from '../../src/cli/load/open-loop.ts';
import { SystemClock } from '../../src/clock.ts';
import { SeededRandom } from '../../src/random.ts';
import { summarize } from './latencies.ts';
import type { LoadOptions, LoadReport, LoadShape, LoadWindow } from './load.ts';

async function run({ host, port, requests, shape, limitMs = Number.POSITIVE_INFINITY, windowMs }: LoadOptions): Promise<LoadReport> {
  const buffers = requests.map((request) => Buffer.from(request));
  const requestOf = (i: number): Buffer => buffers[i % buffers.length] as Buffer;
  const clock = new SystemClock();
  if (shape.kind === 'open' && shape.beginAtMs !== undefined) await until(clock, shape.beginAtMs);
  const startMs = performance.now();
  const cpuBefore = process.cpuUsage();
  const arrivalsMs = shape.kind === 'open' ? poissonArrivals(shape.phases, new SeededRandom(shape.seed)) : [];
  const answered: number[] = []; // arrival times in the options of responses, like `latenciesMs`
  const {
    latenciesMs: allMs,
    failures,
    elapsedMs,
  } = shape.kind === 'closed'
    ? await runClosedWindow({ clock, host, port, requestOf }, shape)
    : await runOpenLoop({
        clock,
        host,
        port,
        requestOf,
        arrivalsMs,
        onAnswer: (i) => answered.push(arrivalsMs[i] as number),
        connections: shape.connections,
        isPatient: shape.isPatient,
      });
  const { user, system } = process.cpuUsage(cpuBefore);
  const warmUpMs = (shape.kind === 'open' && shape.warmUpMs) || 0;
  const latenciesMs = warmUpMs === 0 ? allMs : allMs.filter((_, k) => (answered[k] as number) >= warmUpMs);
  const failed = failures.values().reduce((sum, count) => sum + count, 0);
  return {
    answers: latenciesMs.length,
    ratePerSecond: (latenciesMs.length * 1000) / (elapsedMs - warmUpMs),
    latencyMs: summarize(latenciesMs),
    inTime: latenciesMs.filter((latencyMs) => latencyMs <= limitMs).length / (latenciesMs.length + failed),
    failures: Object.fromEntries(failures),
    generatorCpu: (user + system) / 1000 / (performance.now() - startMs),
    ...(windowMs === undefined ? {} : { windows: windowsOf(answered, allMs, windowMs) }),
  };
}

/** A closed loop that counts only responses in the window after the warm-up. */
async function runClosedWindow(
  target: LoadTarget & { readonly requestOf: (i: number) => Buffer },
  { concurrency, warmUpMs, measureMs }: LoadShape & { readonly kind: 'closed' },
): Promise<Pick<LoadResult, 'latenciesMs' | 'failures' | 'elapsedMs'>> {
  const fromMs = target.clock.nowMs() + warmUpMs;
  let [before, within] = [0, 0];
  const onAnswer = (_i: number, _body: Buffer, answeredMs: number): void => {
    if (answeredMs < fromMs) before++;
    else if (answeredMs < fromMs + measureMs) within++;
  };
  const options = { ...target, onAnswer, concurrency, forMs: warmUpMs + measureMs, requestsMax: Number.POSITIVE_INFINITY };
  const { latenciesMs, failures } = await runClosedLoop(options);
  return { latenciesMs: latenciesMs.slice(before, before + within), failures, elapsedMs: measureMs };
}

function until(clock: SystemClock, wallMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(wallMs - clock.wallMs(), resolve));
}

function windowsOf(sentMs: readonly number[], latenciesMs: readonly number[], windowMs: number): LoadWindow[] {
  const windows: (number[] | undefined)[] = []; // sparse: a window may have no requests
  for (const [k, atMs] of sentMs.entries()) (windows[Math.floor(atMs / windowMs)] ??= []).push(latenciesMs[k] as number);
  return Array.from(windows, (window = []) => ({ answers: window.length, p95Ms: summarize(window).p95 }));
}

// The message listener keeps the process alive until the parent has read the report and ends it.
process.on('message', (options: LoadOptions) => {
  void run(options).then((report) => process.send?.(report));
});

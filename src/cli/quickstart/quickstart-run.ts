/**
 * `penstock quickstart`: an end-to-end demonstration. Starts a server; registers, approves and deploys a digit classifier with an
 * objective; sends the held-out rows as a burst, then an open-loop load of varying rate; reports accuracy, latency and cost; and
 * keeps serving.
 */
import { readFileSync } from 'node:fs';
import type { EndpointBody, StatisticsBody } from '../../api/index.ts';
import { PlatformError } from '../../errors.ts';
import { parseObjective } from '../../objective.ts';
import { SeededRandom } from '../../random.ts';
import type { CliContext, QuickstartContext, QuickstartOptions, QuickstartPlatform } from '../cli-context.ts';
import { CliError } from '../cli-error.ts';
import type { Client } from '../client/client.ts';
import { pause } from '../client/pause.ts';
import { type Phase, poissonArrivals } from '../load/open-loop.ts';
import { runLoad } from '../load/run-load.ts';
import { Progress } from '../output/progress.ts';
import { VerbSession } from '../verb.ts';
import { deploy } from '../verbs/endpoints/deploy.ts';
import { callText, figuresOf, type LoadFigures, type QuickstartReport, reportText } from './quickstart-report.ts';

const endpoint = 'digits';
const objective = parseObjective('p95<=50ms');

/** About ten seconds: a calm phase, a peak of five times its rate, a lower phase, and a higher peak. */
const phases: readonly Phase[] = [
  { ratePerSecond: 300, forMs: 2500 },
  { ratePerSecond: 1500, forMs: 2500 },
  { ratePerSecond: 600, forMs: 2500 },
  { ratePerSecond: 2500, forMs: 2500 },
];

/** The longest wait for measured service times. Without them, batches are single rows at first. */
const profileWaitMs = 10_000;

export async function runQuickstart(
  options: QuickstartOptions,
  context: CliContext,
  { start, rowsFile }: QuickstartContext,
): Promise<number> {
  const progress = new Progress(context);
  const startMs = context.clock.nowMs();
  progress.stage('server', 'starting');
  const platform = await startAnywhere(start, options.flags, progress);
  try {
    const startedInMs = context.clock.nowMs() - startMs;
    progress.done(platform.url);
    const session = new VerbSession(
      { ...context, env: { ...context.env, PENSTOCK_URL: platform.url } },
      { dataDir: '', output: options.output },
    );
    const rows = readRows(rowsFile);
    const report = await measure(session, platform, rows, startMs, startedInMs, progress);
    session.print(report, reportText(report));
    if (options.exit || context.interrupted.aborted) return 0;
    context.stderr.write(`${callText(report, rows[0]?.pixels ?? [])}\nServing at ${platform.url}; press Ctrl-C to stop.\n`);
    await new Promise<void>((resolve) => context.interrupted.addEventListener('abort', () => resolve(), { once: true }));
    return 0;
  } catch (error) {
    progress.fail();
    throw error;
  } finally {
    await platform.close();
  }
}

/** Starts on the default port. If that is in use and no port was requested, starts on any free port. */
async function startAnywhere(
  start: QuickstartContext['start'],
  flags: QuickstartOptions['flags'],
  progress: Progress,
): Promise<QuickstartPlatform> {
  try {
    return await start({ logLevel: 'warn', ...flags });
  } catch (error) {
    const isTaken = error instanceof PlatformError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE';
    if (!isTaken || flags.port !== undefined) throw error;
    progress.write('port 8080 is in use: starting on a free port');
    return start({ logLevel: 'warn', ...flags, port: '0' });
  }
}

interface Row {
  readonly pixels: readonly number[];
  readonly digit: number;
}

function readRows(file: string): Row[] {
  const [, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const numbers = line.split(',').map(Number);
    return { pixels: numbers.slice(0, -1), digit: numbers.at(-1) as number };
  });
}

async function measure(
  session: VerbSession,
  platform: QuickstartPlatform,
  rows: readonly Row[],
  startMs: number,
  startedInMs: number,
  progress: Progress,
): Promise<QuickstartReport> {
  const { context } = session;
  const client = await session.client();
  const { model } = await deployDigits(session);
  const bodies = rows.map(({ pixels }) =>
    JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, pixels.length], data: pixels }] }),
  );
  const url = `${platform.url}/v2/models/${endpoint}/infer`;
  progress.stage('predict', 'the first row');
  await runLoad({ url, bodies, arrivalsMs: [0], connections: 1, wantsAnswers: false }, context.interrupted);
  const firstPredictionAfterMs = context.clock.nowMs() - startMs;
  progress.stage('profile', 'service times by batch size');
  await profiled(session, client, model);

  // A new server runs code that is not compiled yet; production servers have been up for a while.
  progress.stage('warm-up', `${4 * rows.length} rows, 8 at a time`);
  const warmUp = Array.from({ length: 4 * rows.length }, () => 0);
  await runLoad({ url, bodies, arrivalsMs: warmUp, connections: 8, wantsAnswers: false }, context.interrupted);
  progress.stage('burst', `${rows.length} held-out rows at once`);
  const under = { url, bodies, connections: 64, wantsAnswers: true };
  const burst = await loaded(session, client, platform, { ...under, arrivalsMs: rows.map(() => 0) });
  progress.stage(
    'load',
    `open loop, ${phases.map(({ ratePerSecond }) => ratePerSecond).join(', ')} requests/s for ${phases.map(({ forMs }) => forMs / 1000).join(', ')} s`,
  );
  const load = await loaded(session, client, platform, {
    ...under,
    wantsAnswers: false,
    arrivalsMs: poissonArrivals(phases, new SeededRandom(1)),
  });
  progress.done();
  const right = rows.filter(({ digit }, i) => digitOf(burst.answers[i]) === digit).length;
  return {
    url: platform.url,
    endpoint,
    model,
    objective,
    accuracy: { value: right / rows.length, right, rows: rows.length },
    startedInMs,
    firstPredictionAfterMs,
    burst: burst.figures,
    load: load.figures,
  };
}

async function deployDigits(session: VerbSession): Promise<{ model: string }> {
  const options = { ...session.options, objective: 'p95<=50ms', approve: true, timeout: 60_000, wait: true };
  const view: EndpointBody = await deploy(session, { kind: 'catalogue', name: 'digits-mlp' }, endpoint, options);
  return { model: view.variants[0]?.model ?? endpoint };
}

async function profiled(session: VerbSession, client: Client, model: string): Promise<void> {
  const { clock, interrupted } = session.context;
  const path = `/groups/${model.replace('/', '/versions/')}/profile`;
  const untilMs = clock.nowMs() + profileWaitMs;
  while (clock.nowMs() < untilMs && !interrupted.aborted) {
    const { items } = await client.get<{ items: readonly unknown[] }>(path);
    if (items.length > 0) return;
    await pause(clock, 100, interrupted);
  }
}

interface LoadRequest {
  readonly url: string;
  readonly bodies: readonly string[];
  readonly arrivalsMs: readonly number[];
  readonly connections: number;
  readonly wantsAnswers: boolean;
}

/** Runs a load and reads the server's counters before and after it. */
async function loaded(
  session: VerbSession,
  client: Client,
  platform: QuickstartPlatform,
  load: LoadRequest,
): Promise<{ figures: LoadFigures; answers: readonly (string | undefined)[] }> {
  const before = await counters(client, platform);
  const report = await runLoad(load, session.context.interrupted);
  const after = await counters(client, platform);
  const failed = report.failures.reduce((sum, [, count]) => sum + count, 0);
  if (report.latenciesMs.length === 0)
    throw new CliError(`no request of the load was answered: ${report.failures.map(([why, count]) => `${count} x ${why}`).join(', ')}`);
  const { latenciesMs, elapsedMs, answers } = report;
  const figures = figuresOf({
    latenciesMs,
    failed,
    elapsedMs,
    objective,
    rows: after.rows - before.rows,
    runs: after.runs - before.runs,
    usd: after.usd - before.usd,
  });
  return { figures, answers };
}

async function counters(client: Client, platform: QuickstartPlatform): Promise<{ rows: number; runs: number; usd: number }> {
  const { variants } = await client.get<EndpointBody>(`/endpoints/${endpoint}`);
  const sum = (of: (statistics: StatisticsBody) => number): number =>
    variants.reduce((total, { statistics }) => total + (statistics === null ? 0 : of(statistics)), 0);
  return { rows: sum((each) => each.rows), runs: sum((each) => each.executions), usd: platform.ledger.usage(endpoint).instanceUsd };
}

/** The predicted label; undefined without an answer. */
function digitOf(answer: string | undefined): number | undefined {
  if (answer === undefined) return undefined;
  const { outputs } = JSON.parse(answer) as { outputs: readonly { name: string; data: readonly number[] }[] };
  return outputs.find(({ name }) => name === 'label')?.data[0];
}

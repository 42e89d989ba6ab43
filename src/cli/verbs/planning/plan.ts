/** `penstock plan`: predicts the cost of a model on functions and the best setting, without deploying it. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AlternativeBody, PlanBody } from '../../../api/index.ts';
import { formatObjective, parseDurationMs, parseObjective } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { nameFor, readSource, registerSource } from '../../models/model-source.ts';
import { parseMemory } from '../../options/field-options.ts';
import { positiveNumber } from '../../options/parsed-values.ts';
import { checkFixed } from '../../options/serverless-options.ts';
import { waitText } from '../../output/decisions-table.ts';
import { formatMsText, formatUsd, shareText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { fields, table } from '../../output/table.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb, wholeNumber } from '../../verb.ts';

interface PlanOptions extends CommonOptions {
  readonly rate?: number;
  readonly burst?: Burst;
  readonly arrivals?: string;
  readonly objective?: string;
  readonly policy: string;
  readonly batchSize?: number;
  readonly maxWait?: number;
  readonly memory: number | 'auto';
  readonly keepAlive?: number;
  readonly maxConcurrency?: number;
}

/** The second phase of an arrival process of two phases. Length and pause are means. */
interface Burst {
  readonly ratePerSecond: number;
  readonly lastsMs: number;
  readonly everyMs: number;
}

export function addPlan(program: Command, context: CliContext): void {
  verb(program, context, 'plan <model>', 'predict the cost of a model on functions and the best setting, without deploying it')
    .with((command) =>
      command
        .option('--rate <rows>', 'rows per second, at random times (Poisson)', positiveNumber)
        .option(
          '--burst <rate:length:pause>',
          'with additional bursts: 400:250ms:1s means 400 rows/s for 250 ms, 1 s apart, on average',
          burst,
        )
        .option('--arrivals <file>', 'recorded arrivals instead: one time in milliseconds per line')
        .option(
          '--objective <objective>',
          "latency objective such as 'p95<=100ms' (default: none, so no request waits for a batch)",
          parsedBy((text) => formatObjective(parseObjective(text))),
        )
        .addOption(
          new Option('--policy <policy>', 'how batches are formed, like --batching of deploy')
            .choices(['slack', 'batch', 'batch-paper', 'fixed', 'none'])
            .default('slack'),
        )
        .option('--batch-size <rows>', 'rows of a full batch, with --policy fixed', wholeNumber(1, 4096))
        .option('--max-wait <duration>', 'how long the first row waits, with --policy fixed', parsedBy(parseDurationMs))
        .option('--memory <MiB>', 'the memory size, or auto', parseMemory, 'auto')
        .option('--keep-alive <duration>', 'how long to keep an idle function (default: 60s)', parsedBy(parseDurationMs))
        .option('--max-concurrency <number>', 'maximum number of functions (default: 10)', wholeNumber(1, 1000)),
    )
    .runs(async (session, options: PlanOptions, model: string) => {
      checkFixed('--policy', { ...options, batching: options.policy });
      const arrivals = await arrivalsOf(options);
      const plan = await planFor(session, model, {
        arrivals,
        objective: options.objective ?? null,
        policy: options.policy,
        ...(options.batchSize === undefined ? {} : { batch_size_max: options.batchSize }),
        ...(options.maxWait === undefined ? {} : { wait_ms_max: options.maxWait }),
        memory_mib: options.memory,
        ...(options.keepAlive === undefined ? {} : { keep_alive_ms: options.keepAlive }),
        ...(options.maxConcurrency === undefined ? {} : { max_concurrency: options.maxConcurrency }),
      });
      session.print(plan, planText(session, plan));
      return 0;
    });
}

/** A file is registered first, because the server measures it; the same bytes are not registered twice. */
async function planFor(session: VerbSession, model: string, request: object): Promise<PlanBody> {
  const source = await readSource(model, { registersOnly: false });
  const client = await session.client();
  const progress = new Progress(session.context);
  const { version } = await registerSource(client, progress, source, nameFor(source), { reuse: true });
  try {
    progress.stage('plan', version.name);
    const plan = await client.post<PlanBody>('/plan', { json: { model: version.name, ...request } });
    progress.done();
    return plan;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** The server takes bursts as the rates of leaving each phase: 1 / its mean length. */
async function arrivalsOf({ rate, burst: bursts, arrivals: file }: PlanOptions): Promise<object> {
  if (file !== undefined) {
    if (rate !== undefined || bursts !== undefined)
      throw new CliError('--arrivals cannot be combined with --rate and --burst: remove one or the other', 2);
    return { kind: 'times', times_ms: await timesOf(file) };
  }
  if (rate === undefined) throw new CliError('missing arrivals: expected --rate 50, or --arrivals FILE with recorded times', 2);
  if (bursts === undefined) return { kind: 'poisson', rate_per_second: rate };
  const { ratePerSecond, lastsMs, everyMs } = bursts;
  return { kind: 'mmpp', rates_per_second: [rate, ratePerSecond], switches_per_second: [1000 / everyMs, 1000 / lastsMs] };
}

/** Throws `CliError` with the number of the line. */
async function timesOf(file: string): Promise<number[]> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new CliError(`cannot read ${file}: ${cause.message}`, 1, { cause });
  });
  const times: number[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const ms = Number(line);
    const before = times.at(-1) ?? 0;
    if (!Number.isFinite(ms) || ms < 0) {
      throw new CliError(`${file}, line ${index + 1}: expected a time in milliseconds, 0 or more, got '${line.slice(0, 40)}'`);
    }
    if (ms < before) throw new CliError(`${file}, line ${index + 1}: expected ascending times, got ${ms} after ${before}`);
    times.push(ms);
  }
  if (times.length > 1 && times[0] !== times.at(-1)) return times;
  throw new CliError(
    `${file} has ${times.length === 0 ? 'no arrival times' : 'only one distinct arrival time'}: expected at least two, to compute a rate`,
  );
}

function planText(session: VerbSession, plan: PlanBody): string {
  const { rate_per_second: rate, scv, sample_count: recorded, notes } = plan.arrivals;
  const measured = [...new Set(plan.profiles.map(({ basis }) => basis))].join(', ');
  const head = fields([
    ['model', plan.model],
    ['objective', plan.objective ?? 'none'],
    [
      'arrivals',
      `${round(rate)} rows/s${scv === null ? '' : `, c² = ${Math.round(1000 * scv) / 1000}`}${recorded === 0 ? '' : `, ${recorded} recorded`}`,
    ],
    ['service times', measured],
    ['functions', functionsText(plan.functions)],
    ['cold starts', coldStartsText(plan.functions)],
    ['notes', notes.join('\n')],
  ]);
  const rows = table(plan.alternatives, [
    { title: '', cell: ({ label }) => label },
    { title: 'MEMORY', cell: ({ memory_mib: memoryMiB }) => `${memoryMiB} MiB`, align: 'right' },
    { title: 'B', cell: ({ batch_size_max: size }) => size, align: 'right' },
    { title: 'WAIT', cell: waitText, align: 'right' },
    { title: 'P50', cell: ({ predicted }) => formatMsText(predicted.p50_ms), align: 'right' },
    { title: 'P95', cell: ({ predicted }) => formatMsText(predicted.p95_ms), align: 'right' },
    { title: 'P99', cell: ({ predicted }) => formatMsText(predicted.p99_ms), align: 'right' },
    { title: 'IN TIME', cell: ({ predicted }) => (plan.objective === null ? null : shareText(predicted.within_slo)), align: 'right' },
    { title: 'MEAN BATCH', cell: ({ predicted }) => round(predicted.mean_batch), align: 'right' },
    { title: 'COST/M ROWS', cell: ({ predicted }) => formatUsd(predicted.cost_usd_per_million), align: 'right' },
    { title: 'REJECTED BECAUSE', cell: rejectionText },
  ]);
  const isRedundant = plan.feasible || plan.alternatives.length === 0;
  const verdict = isRedundant ? plan.explanation : `${session.style.paint('red', plan.reason)}\n${plan.explanation}`;
  return [head, rows, `${verdict}\n`].filter((text) => text !== '').join('\n');
}

function functionsText(functions: PlanBody['functions']): string | null {
  if (functions === null) return null;
  const { needed, max_concurrency: most } = functions;
  return `about ${needed} concurrent, of at most ${most}${needed > most ? ': raise --max-concurrency' : ''}`;
}

function coldStartsText(functions: PlanBody['functions']): string | null {
  if (functions === null) return null;
  const { cold_start_share: share, cold_start_ms: ms, keep_alive_ms: keepAliveMs } = functions;
  const keepAlive = `idle functions are kept for ${formatMsText(keepAliveMs)}`;
  return share === 0
    ? `hardly any: ${keepAlive}`
    : `${Math.round(1000 * share) / 10} % of batches wait ${formatMsText(ms)} for one: ${keepAlive}`;
}

function rejectionText({ rejected_because: reason }: AlternativeBody): string | null {
  return reason;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

function burst(text: string): Burst {
  const [rate = '', lasts = '', every = '', ...rest] = text.split(':');
  if (rest.length > 0 || every === '') throw new InvalidArgumentError('expected RATE:LENGTH:PAUSE, such as 400:250ms:1s');
  const [lastsMs, everyMs] = [lasts, every].map(parsedBy(parseDurationMs)) as [number, number];
  if (!(lastsMs > 0 && everyMs > 0)) throw new InvalidArgumentError('expected a length and a pause above 0');
  return { ratePerSecond: positiveNumber(rate), lastsMs, everyMs };
}

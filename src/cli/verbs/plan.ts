/** `penstock plan`: what a model would cost as functions, under which setting, before anything is deployed. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AlternativeBody, PlanBody } from '../../api/index.ts';
import { formatObjective, parseDurationMs, parseObjective } from '../../objective.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { nameFor, readSource, registerSource } from '../model-source.ts';
import { Progress } from '../progress.ts';
import { checkFixed, memory } from '../serverless-options.ts';
import { fields, table } from '../table.ts';
import { type CommonOptions, parsedBy, type Session, verb, wholeNumber } from '../verb.ts';
import { msText, shareText, usdText } from '../words.ts';
import { waitText } from './decisions.ts';

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

interface Burst {
  readonly ratePerSecond: number;
  readonly lastsMs: number;
  readonly everyMs: number;
}

export function addPlan(program: Command, doors: Doors): void {
  verb(program, doors, 'plan <model>', 'tell what a model would cost as functions, and under which setting, without deploying it')
    .with((command) =>
      command
        .option('--rate <rows>', 'rows per second, at random times', positive)
        .option('--burst <rate:length:pause>', 'besides, bursts: 400:250ms:1s is 400 rows/s for 250 ms, 1 s apart, in the mean', burst)
        .option('--arrivals <file>', 'recorded arrivals instead: one time in milliseconds a line')
        .option(
          '--objective <promise>',
          "such as 'p95<=100ms' (default: none, so nobody waits)",
          parsedBy((text) => formatObjective(parseObjective(text))),
        )
        .addOption(
          new Option('--policy <policy>', 'how batches are formed, as --batching of deploy')
            .choices(['slack', 'batch', 'batch-paper', 'fixed', 'none'])
            .default('slack'),
        )
        .option('--batch-size <rows>', 'rows of a full batch, with --policy fixed', wholeNumber(1, 4096))
        .option('--max-wait <duration>', 'how long the first row waits, with --policy fixed', parsedBy(parseDurationMs))
        .option('--memory <MiB>', 'the memory size, or auto', memory, 'auto')
        .option('--keep-alive <duration>', 'how long an idle function is kept (default: 60s)', parsedBy(parseDurationMs))
        .option('--max-concurrency <number>', 'how many functions at most (default: 10)', wholeNumber(1, 1000)),
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

async function planFor(session: Session, model: string, wish: object): Promise<PlanBody> {
  const source = await readSource(model, { registersOnly: false });
  const client = await session.client();
  const progress = new Progress(session.doors);
  const { version } = await registerSource(client, progress, source, nameFor(source), { reuse: true });
  try {
    progress.stage('plan', version.name);
    const plan = await client.post<PlanBody>('/plan', { json: { model: version.name, ...wish } });
    progress.done();
    return plan;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

async function arrivalsOf({ rate, burst: bursts, arrivals: file }: PlanOptions): Promise<object> {
  if (file !== undefined) {
    if (rate !== undefined || bursts !== undefined) throw new Failure('--arrivals says how requests come: leave out --rate and --burst', 2);
    return { kind: 'times', times_ms: await timesOf(file) };
  }
  if (rate === undefined) throw new Failure('say how requests come: --rate 50, or --arrivals FILE with recorded times', 2);
  if (bursts === undefined) return { kind: 'poisson', rate_per_second: rate };
  const { ratePerSecond, lastsMs, everyMs } = bursts;
  return { kind: 'mmpp', rates_per_second: [rate, ratePerSecond], switches_per_second: [1000 / everyMs, 1000 / lastsMs] };
}

async function timesOf(file: string): Promise<number[]> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new Failure(`${file} cannot be read: ${cause.message}`, 1, { cause });
  });
  const times: number[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const ms = Number(line);
    const before = times.at(-1) ?? 0;
    if (!Number.isFinite(ms) || ms < 0) {
      throw new Failure(`${file}: line ${index + 1} is '${line.slice(0, 40)}', expected a time in milliseconds, 0 or more`);
    }
    if (ms < before) throw new Failure(`${file}: line ${index + 1} is ${ms}, after ${before}: times are written as they came, ascending`);
    times.push(ms);
  }
  if (times.length > 1 && times[0] !== times.at(-1)) return times;
  throw new Failure(
    `${file} holds ${times.length === 0 ? 'no arrival' : 'one arrival time only'}: a rate follows from two different times at least`,
  );
}

function planText(session: Session, plan: PlanBody): string {
  const { rate_per_second: rate, scv, sample_count: seen, notes } = plan.arrivals;
  const measured = [...new Set(plan.profiles.map(({ basis }) => basis))].join(', ');
  const head = fields([
    ['model', plan.model],
    ['objective', plan.objective ?? 'none'],
    [
      'arrivals',
      `${round(rate)} rows/s${scv === null ? '' : `, c² = ${Math.round(1000 * scv) / 1000}`}${seen === 0 ? '' : `, ${seen} recorded`}`,
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
    { title: 'P50', cell: ({ predicted }) => msText(predicted.p50_ms), align: 'right' },
    { title: 'P95', cell: ({ predicted }) => msText(predicted.p95_ms), align: 'right' },
    { title: 'P99', cell: ({ predicted }) => msText(predicted.p99_ms), align: 'right' },
    { title: 'IN TIME', cell: ({ predicted }) => (plan.objective === null ? null : shareText(predicted.within_slo)), align: 'right' },
    { title: 'MEAN BATCH', cell: ({ predicted }) => round(predicted.mean_batch), align: 'right' },
    { title: 'COST/M ROWS', cell: ({ predicted }) => usdText(predicted.cost_usd_per_million), align: 'right' },
    { title: 'WHY NOT', cell: whyNot },
  ]);
  const isToldTwice = plan.feasible || plan.alternatives.length === 0;
  const verdict = isToldTwice ? plan.explanation : `${session.style.paint('red', plan.reason)}\n${plan.explanation}`;
  return [head, rows, `${verdict}\n`].filter((text) => text !== '').join('\n');
}

function functionsText(functions: PlanBody['functions']): string | null {
  if (functions === null) return null;
  const { needed, max_concurrency: most } = functions;
  return `about ${needed} at once, of at most ${most}${needed > most ? ': raise --max-concurrency' : ''}`;
}

function coldStartsText(functions: PlanBody['functions']): string | null {
  if (functions === null) return null;
  const { cold_start_share: share, cold_start_ms: ms, keep_alive_ms: keepAliveMs } = functions;
  const kept = `idle functions are kept for ${msText(keepAliveMs)}`;
  return share === 0 ? `hardly any: ${kept}` : `${Math.round(1000 * share) / 10} % of the batches wait ${msText(ms)} for one: ${kept}`;
}

function whyNot({ rejected_because: reason }: AlternativeBody): string | null {
  return reason;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('expected a number above 0');
}

function burst(text: string): Burst {
  const [rate = '', lasts = '', every = '', ...rest] = text.split(':');
  if (rest.length > 0 || every === '') throw new InvalidArgumentError('expected RATE:LENGTH:PAUSE, such as 400:250ms:1s');
  const [lastsMs, everyMs] = [lasts, every].map(parsedBy(parseDurationMs)) as [number, number];
  if (!(lastsMs > 0 && everyMs > 0)) throw new InvalidArgumentError('bursts, and the pauses between them, last longer than 0');
  return { ratePerSecond: positive(rate), lastsMs, everyMs };
}

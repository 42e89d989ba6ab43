/** The options of `deploy` that give an endpoint functions, alone or beside instances, and what they ask of the server. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { VariantBody } from '../api/index.ts';
import { formatMs, parseDurationMs } from '../objective.ts';
import { Failure } from './failure.ts';
import { parsedBy, wholeNumber } from './verb.ts';

export interface ServerlessOptions {
  readonly serverless?: boolean;
  readonly overflow?: 'functions' | 'none';
  /** US dollars per hour; null for no limit. */
  readonly overflowBudget?: number | null;
  readonly memory?: number | 'auto';
  readonly maxConcurrency?: number;
  readonly provisioned?: number;
  /** Milliseconds, as `maxWait`. */
  readonly keepAlive?: number;
  readonly batching?: string;
  readonly batchSize?: number;
  readonly maxWait?: number;
  // What instances have.
  readonly instances?: number;
  readonly instanceType?: string;
}

type FunctionsBody = NonNullable<VariantBody['functions']>;

export function addServerlessOptions(command: Command): void {
  command
    .option('--serverless', 'functions that start as requests come and end when none do, in place of instances', false)
    .addOption(
      new Option('--overflow <where>', 'what instances cannot finish in time goes to functions, or nowhere (default: none)').choices([
        'functions',
        'none',
      ]),
    )
    .option('--overflow-budget <USD>', 'what overflow may cost per hour, or none (default: none)', budget)
    .option('--memory <MiB>', 'of one function, or auto (default: auto)', memory)
    .option('--max-concurrency <number>', 'how many functions at most (default: 10)', wholeNumber(1, 1000))
    .option('--provisioned <number>', 'how many are always kept warm (default: 0)', wholeNumber(0, 1000))
    .option('--keep-alive <duration>', 'how long an idle function is kept (default: 60s)', parsedBy(parseDurationMs))
    .addOption(
      new Option('--batching <how>', 'how long requests wait for company in a batch (default: slack)').choices([
        'slack',
        'batch',
        'batch-paper',
        'fixed',
        'none',
      ]),
    )
    .option('--batch-size <rows>', 'of a full batch, with --batching fixed', wholeNumber(1, 4096))
    .option('--max-wait <duration>', 'of the first request of a batch, with --batching fixed', parsedBy(parseDurationMs));
}

/** Throws `Failure` for options that never go together, before anything is done. */
export function checkServerlessOptions(options: ServerlessOptions): void {
  const { serverless = false, overflow } = options;
  if (serverless && overflow !== undefined) {
    throw new Failure('a serverless endpoint has nothing that could overflow: leave out --serverless, or --overflow', 2);
  }
  if (serverless) checkNoInstances(options);
}

/** Throws `Failure` for options of functions that the endpoint would not have; `before` is its variant now, if there is one. */
export function checkFunctionsWanted(options: ServerlessOptions, before: VariantBody | undefined): void {
  const { overflowBudget, batching, batchSize, maxWait } = options;
  const flags = {
    '--memory': options.memory,
    '--max-concurrency': options.maxConcurrency,
    '--provisioned': options.provisioned,
    '--keep-alive': options.keepAlive,
    '--batching': batching,
    '--batch-size': batchSize,
    '--max-wait': maxWait,
  };
  const kept = keptFunctions(options, before);
  const [stray] = Object.entries(flags).find(([, value]) => value !== undefined) ?? [];
  if (stray !== undefined && kept === undefined) {
    throw new Failure(
      `${stray} is for functions, which this endpoint would not have: add --serverless, or --overflow functions, or leave out ${stray}`,
      2,
    );
  }
  const isBesideInstances = options.overflow === 'functions' || (kept !== undefined && !options.serverless && before?.instance_count !== 0);
  if (overflowBudget !== undefined && !isBesideInstances) {
    throw new Failure('--overflow-budget is for functions beside instances: add --overflow functions, or leave it out', 2);
  }
  checkFixed('--batching', { batching: batching ?? kept?.batching, batchSize, maxWait }, batching === undefined);
}

/** Those that are there already and would stay; null for new ones, undefined for none. */
function keptFunctions(options: ServerlessOptions, before: VariantBody | undefined): FunctionsBody | null | undefined {
  const functions = before?.functions ?? null;
  if (options.serverless === true || options.overflow === 'functions') return functions;
  const becomesInstances = before?.instance_count === 0 && (options.instances !== undefined || options.instanceType !== undefined);
  return options.overflow === 'none' || becomesInstances ? undefined : (functions ?? undefined);
}

interface Fixed {
  readonly batching?: string | undefined;
  readonly batchSize?: number | undefined;
  readonly maxWait?: number | undefined;
}

/** Throws `Failure` where rows and wait are given without fixed batching, or it without them; `isThere`: it has both already. `flag` asks for it. */
export function checkFixed(flag: string, { batching, batchSize, maxWait }: Fixed, isThere = false): void {
  const fixed = [batchSize, maxWait].filter((value) => value !== undefined).length;
  if (batching === 'fixed' && fixed < 2 && !isThere) {
    throw new Failure(`${flag} fixed needs both --batch-size ROWS and --max-wait DURATION, such as --batch-size 8 --max-wait 20ms`, 2);
  }
  if (batching !== 'fixed' && fixed > 0) {
    throw new Failure(`${batchSize === undefined ? '--max-wait' : '--batch-size'} is for ${flag} fixed: add that, or leave it out`, 2);
  }
}

function checkNoInstances(options: ServerlessOptions): void {
  if (options.instances !== undefined || options.instanceType !== undefined) {
    const flag = options.instances === undefined ? '--instance-type' : '--instances';
    const cure = options.instances === undefined ? '--memory says how large its functions are' : '--provisioned keeps functions warm';
    throw new Failure(`a serverless endpoint has no instances: leave out ${flag}; ${cure}`, 2);
  }
}

/** What is asked of a variant, beside what it was before; the rest is the server's to decide. */
export function capacityOf(options: ServerlessOptions, before: VariantBody | undefined): Record<string, unknown> {
  const instances = {
    ...(options.instances === undefined ? {} : { instance_count: options.instances }),
    ...(options.instanceType === undefined ? {} : { instance_type: options.instanceType }),
  };
  const kept = before?.functions ?? null;
  const had = before === undefined || before.instance_count === 0 ? null : before;
  if (options.serverless === true) return { functions: functionsAsked(options, had === null ? kept : withoutBudget(kept)) };
  const counted = { instance_count: had?.instance_count ?? 1, instance_type: had?.instance_type };
  if (options.overflow === 'functions') return { ...defined(counted), ...instances, functions: functionsAsked(options, kept) };
  if (options.overflow === 'none') return { ...defined(counted), ...instances };
  if (kept !== null && had === null) return Object.keys(instances).length === 0 ? { functions: functionsAsked(options, kept) } : instances;
  if (had === null) return instances;
  return { ...counted, ...instances, ...(kept === null ? {} : { functions: functionsAsked(options, kept) }) };
}

/** What is to be said where functions go and settings of theirs with them, for a variant that has none keeps none; null where nothing is lost. */
export function lostWithFunctions(options: ServerlessOptions, before: VariantBody | undefined): string | null {
  const functions = before?.functions ?? null;
  if (functions === null || capacityOf(options, before)['functions'] !== undefined) return null;
  const { memory_mib: memoryMiB, keep_alive_ms: keepAliveMs, batching, batch_size_max: rows, wait_ms_max: waitMs } = functions;
  const flags = [
    memoryMiB === 'auto' ? [] : ['--memory', memoryMiB],
    functions.max_concurrency === 10 ? [] : ['--max-concurrency', functions.max_concurrency],
    functions.provisioned === 0 ? [] : ['--provisioned', functions.provisioned],
    keepAliveMs === 60_000 ? [] : ['--keep-alive', formatMs(keepAliveMs)],
    batching === 'slack' ? [] : ['--batching', batching],
    rows === undefined ? [] : ['--batch-size', rows],
    waitMs === undefined ? [] : ['--max-wait', formatMs(waitMs)],
    (functions.usd_per_hour_max ?? null) === null ? [] : ['--overflow-budget', functions.usd_per_hour_max],
  ].flat();
  return flags.length === 0 ? null : `the settings of its functions go with them; to have them back, say them again: ${flags.join(' ')}`;
}

/** Once nobody else serves, a budget must not end it. */
function withoutBudget(functions: FunctionsBody | null): FunctionsBody | null {
  if (functions === null) return null;
  const { usd_per_hour_max: _budget, ...others } = functions;
  return others;
}

function defined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A batching that is not given stays, with its rows and its wait; one that is given brings its own. */
function functionsAsked(options: ServerlessOptions, before: FunctionsBody | null): Record<string, unknown> {
  const kept: Record<string, unknown> = { ...before };
  if (options.batching !== undefined) for (const field of ['batching', 'batch_size_max', 'wait_ms_max']) delete kept[field];
  const asked = {
    memory_mib: options.memory,
    max_concurrency: options.maxConcurrency,
    provisioned: options.provisioned,
    keep_alive_ms: options.keepAlive,
    batching: options.batching,
    batch_size_max: options.batchSize,
    wait_ms_max: options.maxWait,
    usd_per_hour_max: options.overflowBudget,
  };
  return { ...kept, ...defined(asked) };
}

/** `2048`, in MiB, or `auto`. */
export function memory(text: string): number | 'auto' {
  if (text === 'auto') return 'auto';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number of MiB, such as 2048, or auto');
}

function budget(text: string): number | null {
  if (text === 'none') return null;
  const usd = Number(text);
  if (text.trim() !== '' && Number.isFinite(usd) && usd > 0) return usd;
  throw new InvalidArgumentError('expected US dollars per hour, such as 0.50, or none');
}

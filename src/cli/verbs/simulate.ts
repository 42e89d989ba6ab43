/** `penstock simulate`: what scaling policies would cost and keep under a load, request by request, without a server. */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatObjective, type Objective, parseDurationMs, parseObjective } from '../../objective.ts';
import type { Load, SimulatedProfile, SimulationOrder, SimulationResult } from '../../simulation/index.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { Progress } from '../progress.ts';
import { table } from '../table.ts';
import { type CommonOptions, parsedBy, verb, wholeNumber } from '../verb.ts';
import { msText, usdText } from '../words.ts';

interface SimulateOptions extends CommonOptions {
  readonly trace?: string;
  readonly load?: string;
  /** Milliseconds, as `lead`. */
  readonly slot: number;
  readonly scale: number;
  readonly from: number;
  readonly slots?: number;
  readonly profile: string;
  readonly types?: readonly string[];
  readonly objective: Objective;
  readonly policy: readonly string[];
  readonly lead?: number;
  readonly memory?: number;
  readonly overflowBatch?: number;
  readonly rescue: boolean;
  readonly sloCorrection: boolean;
  readonly maxInstances: number;
  readonly launchFailures: number;
  readonly interruptions: number;
  readonly seed: number;
  readonly loadSeed: number;
  readonly serviceSeed: number;
  readonly html?: string;
}

const policiesDefault = ['target-tracking', 'hpa:70', 'economic'];

export function addSimulate(program: Command, doors: Doors): void {
  verb(program, doors, 'simulate', 'tell what scaling policies would cost and keep under a load, without a server')
    .with((command) => addPolicies(addWorkload(command)))
    .runs(async (session, options: SimulateOptions) => {
      const { overflowMemoryMiB, reportHtml, simulateAll } = await import('../../simulation/index.ts');
      const profile = await profileOf(options.profile);
      const load = await loadOf(options);
      const common = orderOf(options, load, profile, options.memory ?? overflowMemoryMiB(profile, options.objective));
      const policies = await policyTexts(options.policy);
      const progress = new Progress(session.doors);
      const minutes = Math.round(load.durationMs / 60_000);
      progress.stage('simulate', `${policies.length} policies over ${minutes} min of ${load.name}`);
      const results = await simulateAll(
        policies.map((policy) => ({ ...common, policy })),
        { threads: availableParallelism(), interrupted: doors.interrupted, onDone: ({ policy }) => progress.say(`${policy} is done`) },
      ).catch((error: unknown) => {
        progress.fail();
        throw error;
      });
      progress.done();
      if (options.html !== undefined) {
        const facts = { load: load.name, profile: profile.name, objective: formatObjective(options.objective) };
        await written(options.html, reportHtml({ ...facts, latencyMs: options.objective.latencyMs }, results));
      }
      session.print({ results }, resultsText(results));
      return 0;
    });
}

function addWorkload(command: Command): Command {
  return command
    .option('--trace <file>', 'a recorded load: a header, then requests of a slot a line, or one request a line under t_s or t_ms')
    .option('--load <load>', 'or a made-up one: poisson:RATE, steps:RATE@S,... (from second S on), mmpp:RATE1,RATE2,MEAN1_S,MEAN2_S')
    .addOption(new Option('--slot <duration>', 'length of a slot').argParser(parsedBy(slotOf)).default(60_000, '60s'))
    .option('--scale <factor>', 'so many times the requests of the trace', positive, 1)
    .option('--from <slot>', 'the first slot; those before are history, for the forecaster alone', wholeNumber(0, 10_000_000), 0)
    .option('--slots <count>', 'how many slots (default: the rest of a trace, an hour of what is made up)', wholeNumber(1, 10_000_000))
    .option('--seed <number>', 'draws the requests', wholeNumber(0, 4_294_967_295), 6)
    .option('--load-seed <number>', 'draws a made-up load', wholeNumber(0, 4_294_967_295), 7)
    .option('--service-seed <number>', 'draws service times', wholeNumber(0, 4_294_967_295), 11)
    .option('--html <file>', 'write a report with charts, one page that needs nothing else');
}

function addPolicies(command: Command): Command {
  return command
    .addOption(
      new Option('--policy <policies>', 'such as hpa:70,window=300s+overflow;economic; may be repeated')
        .argParser((text: string, before: readonly string[]) => (before === policiesDefault ? [text] : [...before, text]))
        .default(policiesDefault, policiesDefault.join(';')),
    )
    .option('--profile <profile>', "service times: 'reference', or what penstock profile MODEL --output json writes", 'reference')
    .option('--types <types>', 'instance types, comma-separated, the preferred one first (default: the first of the profile)', (text) =>
      text.split(','),
    )
    .addOption(
      new Option('--objective <promise>', 'the promise')
        .argParser(parsedBy(parseObjective))
        .default(parseObjective('p99.8<=500ms'), 'p99.8<=500ms'),
    )
    .addOption(
      new Option(
        '--lead <duration>',
        'how long an instance takes to start (default: as the policy or the profile says, else 120s)',
      ).argParser(parsedBy(parseDurationMs)),
    )
    .option('--memory <MiB>', 'of the functions that take what instances cannot', wholeNumber(1, 1_000_000))
    .option('--overflow-batch <rows>', 'at most so many rows in a call of a function', wholeNumber(1, 4096))
    .option('--no-rescue', 'who waits for an instance waits for it, whatever becomes of its objective')
    .option('--no-slo-correction', 'do not keep more when the objective is missed')
    .option('--max-instances <count>', 'at most so many', wholeNumber(0, 1000), 1000)
    .option('--launch-failures <share>', 'of all launches, 0 to 1, fail when they should be ready', share, 0)
    .option('--interruptions <rate>', 'so often an hour each instance is taken away', notNegative, 0);
}

function orderOf(options: SimulateOptions, load: Load, profile: SimulatedProfile, memoryMiB: number): Omit<SimulationOrder, 'policy'> {
  const [first] = profile.types;
  return {
    load,
    profile,
    types: options.types ?? (first === undefined ? [] : [first.name]),
    objective: options.objective,
    leadMs: options.lead ?? null,
    memoryMiB,
    instancesMax: options.maxInstances,
    seed: options.seed,
    serviceSeed: options.serviceSeed,
    misfortune: { launchFailureShare: options.launchFailures, interruptionsPerHour: options.interruptions },
    isCorrecting: options.sloCorrection,
    overflow: { rescue: options.rescue, ...(options.overflowBatch === undefined ? {} : { overflowBatch: options.overflowBatch }) },
  };
}

async function policyTexts(given: readonly string[]): Promise<string[]> {
  const { formatPolicy, parsePolicies } = await import('../../autoscaling/index.ts');
  return parsePolicies(given).map(formatPolicy);
}

async function profileOf(name: string): Promise<SimulatedProfile> {
  const { parseProfile, referenceSimulated } = await import('../../simulation/index.ts');
  return name === 'reference' ? referenceSimulated() : parseProfile(await read(name), name);
}

async function loadOf({ trace, load, slot: slotMs, scale, from, loadSeed, ...options }: SimulateOptions): Promise<Load> {
  const slots = options.slots ?? null;
  const { loadOfTrace, parseLoad, parseTrace } = await import('../../simulation/index.ts');
  if (trace !== undefined && load !== undefined) throw new Failure('give --trace or --load, not both', 2);
  if (trace !== undefined) return loadOfTrace(basename(trace), parseTrace(await read(trace), trace), { slotMs, from, slots }, scale);
  if (load === undefined) throw new Failure('say what comes: --trace FILE, or --load poisson:20', 2);
  if (scale !== 1) throw new Failure('--scale is for --trace: give --load another rate', 2);
  return parseLoad(load, { slotMs, from, slots, loadSeed });
}

function resultsText(results: readonly SimulationResult[]): string {
  const percent = (value: number, digits: number): string => `${(value * 100).toFixed(digits)} %`;
  const ms = (value: number | null): string => (value === null ? '' : msText(value));
  return table(results, [
    { title: 'POLICY', cell: ({ policy }) => policy },
    { title: '$/M', cell: ({ costUsdPerMillion }) => (costUsdPerMillion === null ? '' : usdText(costUsdPerMillion)), align: 'right' },
    { title: 'WITHIN', cell: ({ attainment }) => percent(attainment, 3), align: 'right' },
    { title: 'OVERFLOW', cell: ({ overflowShare }) => percent(overflowShare, 1), align: 'right' },
    { title: 'P50', cell: ({ p50Ms }) => ms(p50Ms), align: 'right' },
    { title: 'P95', cell: ({ p95Ms }) => ms(p95Ms), align: 'right' },
    { title: 'P99', cell: ({ p99Ms }) => ms(p99Ms), align: 'right' },
    { title: 'INSTANCES', cell: ({ instanceUsd }) => usdText(instanceUsd), align: 'right' },
    { title: 'FUNCTIONS', cell: ({ overflowUsd }) => usdText(overflowUsd), align: 'right' },
    { title: 'COLD', cell: ({ coldStarts }) => coldStarts, align: 'right' },
    { title: 'DROPPED', cell: ({ dropped }) => dropped, align: 'right' },
    { title: 'REQUESTS', cell: ({ requests }) => requests, align: 'right' },
  ]);
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: Error) => {
    throw new Failure(`${file} cannot be read: ${cause.message}`, 1, { cause });
  });
}

function written(file: string, text: string): Promise<void> {
  return writeFile(file, text).catch((cause: Error) => {
    throw new Failure(`${file} cannot be written: ${cause.message}`, 1, { cause });
  });
}

function slotOf(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= 1000 && ms <= 86_400_000) return ms;
  throw new InvalidArgumentError('a slot lasts from a second to a day');
}

function positive(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('expected a number above 0');
}

function notNegative(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1000) return value;
  throw new InvalidArgumentError('expected a number from 0 to 1000');
}

function share(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('expected a number from 0 to 1');
}

/**
 * `penstock simulate`: simulates scaling policies request by request, under a synthetic or recorded load without a server, or under the
 * recorded arrivals of a server's endpoint.
 */
import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatObjective, type Objective, parseDurationMs, parseObjective } from '../../../objective.ts';
import type { Load, SimulatedProfile, SimulationResult, SimulationSpec } from '../../../simulation/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { parsedSince } from '../../options/parsed-values.ts';
import { addSelectionOptions, type SimulatedSelectionOptions } from '../../options/simulated-selection-options.ts';
import { formatMsText, formatUsd } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb, wholeNumber } from '../../verb.ts';

interface SimulateOptions extends CommonOptions, SimulatedSelectionOptions {
  readonly trace?: string;
  readonly load?: string;
  readonly replay?: string;
  /** Milliseconds. */
  readonly since: number;
  readonly variant?: string;
  /** Milliseconds, like `lead`. */
  readonly slot: number;
  readonly scale: number;
  readonly from: number;
  readonly slots?: number;
  readonly profile?: string;
  readonly types?: readonly string[];
  readonly objective?: Objective;
  readonly policy: readonly string[];
  readonly lead?: number;
  readonly memory?: number;
  readonly functions?: 'single' | 'chosen';
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
const objectiveDefault = 'p99.8<=500ms';

/** The simulations to run, with remarks to print. */
interface Task {
  readonly load: Load;
  readonly profile: SimulatedProfile;
  readonly objective: Objective;
  readonly specs: readonly SimulationSpec[];
  readonly remarks: readonly string[];
  /** A description of the replay for JSON output; null without one. */
  readonly replay: unknown;
}

export function addSimulate(program: Command, context: CliContext): void {
  verb(program, context, 'simulate', 'simulate the cost and latency of scaling policies under a synthetic, recorded or replayed load')
    .with((command) => addSeeds(addSelectionOptions(addPolicies(addWorkload(command)))))
    .runs(async (session, options: SimulateOptions) => {
      if (options.select !== undefined) return selectionRun(session, options);
      if (options.html !== undefined) await checkWritable(options.html);
      const { infeasibleTypes, reportHtml, simulateAll } = await import('../../../simulation/index.ts');
      const { load, profile, objective, specs, remarks, replay } = await (options.replay === undefined
        ? taskOf(session, options)
        : replayTask(session, options, options.replay));
      const infeasible = infeasibleTypes(profile, specs[0]?.types, objective);
      for (const text of [...remarks, ...infeasible]) session.remark(text);
      const progress = new Progress(session.context);
      progress.stage(
        'simulate',
        `${specs.length === 1 ? '1 policy' : `${specs.length} policies`} over ${lengthText(load)} of ${load.name}`,
      );
      const results = await simulateAll(specs, {
        threads: availableParallelism(),
        interrupted: context.interrupted,
        onDone: ({ policy }) => progress.write(`${policy}: done`),
      }).catch((error: unknown) => {
        progress.fail();
        throw error;
      });
      progress.done();
      session.print({ results, ...(replay === null ? {} : { replay }) }, resultsText(results));
      if (options.html !== undefined) {
        const { name, durationMs } = load;
        const { latencyMs } = objective;
        const facts = { load: name, profile: profile.name, objective: formatObjective(objective), latencyMs, durationMs };
        await writeReport(options.html, reportHtml(facts, results));
      }
      return 0;
    });
}

/** `--select`: another simulator, whose executors change the model from batch to batch. */
async function selectionRun(session: VerbSession, options: SimulateOptions): Promise<number> {
  if (options.replay !== undefined || options.html !== undefined || options.profile !== undefined)
    throw new CliError('--select takes --trace or --load, and the profiles of the server: leave out --replay, --html and --profile', 2);
  const { simulateSelection } = await import('../../simulate-selection.ts');
  await simulateSelection(session, {
    ...options,
    load: await loadOf(options, true),
    objective: options.objective ?? parseObjective('p95<=50ms'),
    policies: options.policy === policiesDefault ? [] : options.policy.flatMap((text) => text.split(/[;,]/)),
    instanceType: options.types?.[0],
    leadMs: options.lead ?? null,
    instancesMax: options.maxInstances,
    functionBatchMax: options.functions === 'chosen' ? null : (options.overflowBatch ?? 1),
  });
  return 0;
}

async function taskOf(session: VerbSession, options: SimulateOptions): Promise<Task> {
  if (options.variant !== undefined) throw new CliError('--variant is only valid with --replay: remove it', 2);
  const { overflowMemoryMiB, referenceSimulated } = await import('../../../simulation/index.ts');
  const load = await loadOf(options);
  const profile = (await profileOf(session, options.profile)) ?? referenceSimulated();
  const objective = options.objective ?? parseObjective(objectiveDefault);
  const common = specOf(options, { load, profile, objective, memoryMiB: options.memory ?? overflowMemoryMiB(profile, objective) });
  const specs = (await policyTexts(options.policy)).map((policy) => ({ ...common, policy }));
  return { load, profile, objective, specs, remarks: remarksOn(load), replay: null };
}

function remarksOn({ name, source }: Load): string[] {
  if (source.kind !== 'counts' || source.counts.some((count) => count > 0)) return [];
  return [`${name} has no requests: all its ${source.counts.length} slots are 0, so the results show the cost of idle capacity`];
}

/** Replays an endpoint's recorded load. Its current deployment is the first policy. */
async function replayTask(session: VerbSession, options: SimulateOptions, endpoint: string): Promise<Task> {
  const { from, slots, scale, since, variant, lead } = options;
  if (options.trace !== undefined || options.load !== undefined)
    throw new CliError('conflicting loads: expected one of --replay, --trace and --load', 2);
  if (from !== 0 || slots !== undefined) throw new CliError('--from and --slots are only valid with --trace and --load: use --since', 2);
  const [{ overflowMemoryMiB }, { readReplay }] = await Promise.all([
    import('../../../simulation/index.ts'),
    import('../../client/replay.ts'),
  ]);
  const profile = await profileOf(session, options.profile);
  const client = await session.client();
  const sinceMs = session.context.clock.wallMs() - since;
  const replay = await readReplay(client, { endpoint, sinceMs, variant, scale, leadMs: lead ?? null, profile });
  const { load, span, gaps, requests, rows } = replay.recording;
  const objective = options.objective ?? replay.objective;
  if (objective === null) throw new CliError(`endpoint ${replay.endpoint} has no objective: set one with --objective 'p95<=100ms'`, 2);
  const memoryMiB = options.memory ?? replay.memoryMiB ?? overflowMemoryMiB(replay.profile, objective);
  const functions = options.functions ?? 'chosen';
  const common = specOf(
    { ...options, functions, types: options.types ?? replay.types },
    { load, profile: replay.profile, objective, memoryMiB },
    span.fromMs,
  );
  const isExplicit = options.policy !== policiesDefault;
  const others = (await policyTexts(options.policy)).map((policy) => ({ ...common, policy }));
  const at = (ms: number): string => new Date(ms).toISOString();
  return {
    load,
    profile: replay.profile,
    objective,
    specs: isExplicit ? others : [{ ...common, ...replay.current }, ...others],
    remarks: replay.remarks,
    replay: {
      endpoint: replay.endpoint,
      variant: replay.variant,
      from: at(span.fromMs),
      to: at(span.toMs),
      requests,
      rows,
      gaps: gaps.map(({ fromMs, toMs }) => ({ from: at(fromMs), to: at(toMs) })),
    },
  };
}

function lengthText({ durationMs }: Load): string {
  return durationMs < 120_000 ? `${Math.round(durationMs / 1000)} s` : `${Math.round(durationMs / 60_000)} min`;
}

function addWorkload(command: Command): Command {
  return command
    .optionsGroup('Load:')
    .option(
      '--trace <file>',
      'a recorded load as CSV with a header: the requests of one slot per line (column requests or count), or the time of one request per line (column t_s or t_ms)',
    )
    .option('--load <load>', 'a synthetic load: poisson:RATE, steps:RATE@S,... (from second S on) or mmpp:RATE1,RATE2,MEAN1_S,MEAN2_S')
    .option(
      '--replay <endpoint>',
      "the recorded load of the server's endpoint, with its objective and profile; its current deployment is simulated first",
    )
    .addOption(
      new Option('--since <duration>', 'how far back to replay, such as 24h or 7d').argParser(parsedSince).default(86_400_000, '24h'),
    )
    .option('--variant <name>', 'the variant to replay, if the endpoint has several')
    .addOption(new Option('--slot <duration>', 'length of a slot').argParser(parsedBy(slotOf)).default(60_000, '60s'))
    .option('--scale <factor>', 'multiplies the requests of the trace', positive, 1)
    .option('--from <slot>', 'the first simulated slot; earlier ones are history for the forecaster', wholeNumber(0, 10_000_000), 0)
    .option(
      '--slots <count>',
      'number of slots (default: the rest of a trace, or one hour of a synthetic load)',
      wholeNumber(1, 10_000_000),
    );
}

function addPolicies(command: Command): Command {
  return command
    .optionsGroup('Policies and model:')
    .addOption(
      new Option(
        '--policy <policies>',
        'policies separated by ; (or by a comma that no option=value follows), such as hpa:70,window=300s+overflow;economic; may be repeated',
      )
        .argParser((text: string, before: readonly string[]) => (before === policiesDefault ? [text] : [...before, text]))
        .default(policiesDefault, policiesDefault.join(';')),
    )
    .addOption(
      new Option(
        '--profile <profile>',
        "service times: 'reference', a file written by penstock profile MODEL --output json, or GROUP/VERSION",
      ).default(undefined, 'reference'),
    )
    .option(
      '--types <types>',
      'instance types, comma-separated, preferred first; a spot type is c5.large:spot=USD_PER_HOUR (default: the first type of the profile)',
      (text) => text.split(','),
    )
    .addOption(
      new Option('--objective <objective>', 'latency objective').argParser(parsedBy(parseObjective)).default(undefined, objectiveDefault),
    )
    .optionsGroup('Instances and functions:')
    .addOption(
      new Option('--lead <duration>', 'how long an instance takes to start (default: from the policy or the profile, else 120s)').argParser(
        parsedBy(parseDurationMs),
      ),
    )
    .option('--memory <MiB>', 'memory size of overflow functions', wholeNumber(1, 1_000_000))
    .addOption(
      new Option(
        '--functions <mode>',
        'one request per call (single), or batches with the size and memory that a server would choose (chosen) (default: single; chosen with --replay)',
      ).choices(['single', 'chosen']),
    )
    .option('--overflow-batch <rows>', 'maximum number of rows per function call', wholeNumber(1, 4096))
    .option('--no-rescue', 'do not send requests that are already waiting for an instance to functions')
    .option('--no-slo-correction', 'do not add capacity when the objective is missed')
    .option('--max-instances <count>', 'maximum number of instances', wholeNumber(0, 1000), 1000)
    .option('--launch-failures <share>', 'share of launches that fail, from 0 to 1', share, 0)
    .option(
      '--interruptions <rate>',
      'interruptions per hour of each spot instance, or of each instance if there are no spot types',
      notNegative,
      0,
    );
}

function addSeeds(command: Command): Command {
  return command
    .optionsGroup('Seeds and report:')
    .option('--seed <number>', 'seed of the requests', wholeNumber(0, 4_294_967_295), 6)
    .option('--load-seed <number>', 'seed of a synthetic load', wholeNumber(0, 4_294_967_295), 7)
    .option('--service-seed <number>', 'seed of service times', wholeNumber(0, 4_294_967_295), 11)
    .option('--html <file>', 'write a report with charts as one self-contained page');
}

function specOf(
  options: SimulateOptions,
  provided: Pick<SimulationSpec, 'load' | 'profile' | 'objective' | 'memoryMiB'>,
  beginsAtMs?: number,
): Omit<SimulationSpec, 'policy'> {
  const [first] = provided.profile.types;
  return {
    ...provided,
    ...(beginsAtMs === undefined ? {} : { beginsAtMs }),
    types: options.types ?? (first === undefined ? [] : [first.name]),
    leadMs: options.lead ?? null,
    instancesMax: options.maxInstances,
    seed: options.seed,
    serviceSeed: options.serviceSeed,
    faults: { launchFailureShare: options.launchFailures, interruptionsPerHour: options.interruptions },
    isCorrecting: options.sloCorrection,
    choosesFunctions: options.functions === 'chosen',
    overflow: { rescue: options.rescue, ...(options.overflowBatch === undefined ? {} : { overflowBatch: options.overflowBatch }) },
  };
}

async function policyTexts(provided: readonly string[]): Promise<string[]> {
  const { formatPolicy, parsePolicies } = await import('../../../autoscaling/index.ts');
  return parsePolicies(provided).map(formatPolicy);
}

/** The requested profile; null if none was requested. */
async function profileOf(session: VerbSession, name: string | undefined): Promise<SimulatedProfile | null> {
  if (name === undefined) return null;
  const { parseProfile, referenceSimulated } = await import('../../../simulation/index.ts');
  if (name === 'reference') return referenceSimulated();
  const [, group, version] = /^([a-zA-Z0-9][a-zA-Z0-9-]*)\/([1-9]\d*)$/.exec(name) ?? [];
  if (group === undefined) return parseProfile(await read(name), name);
  const { measuredProfile } = await import('../../client/measured-profile.ts');
  return measuredProfile(await session.client(), group, Number(version));
}

/** `scalesTimes`: whether single requests may be multiplied, by their counts per second. */
async function loadOf(
  { trace, load, slot: slotMs, scale, from, loadSeed, ...options }: SimulateOptions,
  scalesTimes = false,
): Promise<Load> {
  const slots = options.slots ?? null;
  const { countsPerSecond, loadOfTrace, parseLoad, parseTrace } = await import('../../../simulation/index.ts');
  if (trace !== undefined && load !== undefined) throw new CliError('--trace and --load cannot be combined: remove one', 2);
  if (trace !== undefined) {
    const recorded = parseTrace(await read(trace), trace);
    const counts = scalesTimes && scale !== 1 ? countsPerSecond(recorded) : null;
    return counts === null
      ? loadOfTrace(basename(trace), recorded, { slotMs, from, slots }, scale)
      : loadOfTrace(basename(trace), { kind: 'counts', counts }, { slotMs: 1000, from, slots }, scale);
  }
  if (load === undefined) throw new CliError('missing load: expected --trace FILE, --load poisson:20 or --replay ENDPOINT', 2);
  if (scale !== 1) throw new CliError('--scale is only valid with --trace: change the rate of --load instead', 2);
  return parseLoad(load, { slotMs, from, slots, loadSeed });
}

function resultsText(results: readonly SimulationResult[]): string {
  const percent = (value: number, digits: number): string => `${(value * 100).toFixed(digits)} %`;
  const ms = (value: number | null): string => (value === null ? '' : formatMsText(value));
  return table(results, [
    { title: 'POLICY', cell: ({ policy }) => policy },
    { title: 'COST/M', cell: ({ costUsdPerMillion }) => (costUsdPerMillion === null ? '' : formatUsd(costUsdPerMillion)), align: 'right' },
    { title: 'WITHIN', cell: ({ attainment }) => percent(attainment, 3), align: 'right' },
    { title: 'OVERFLOW', cell: ({ overflowShare }) => percent(overflowShare, 1), align: 'right' },
    { title: 'P50', cell: ({ p50Ms }) => ms(p50Ms), align: 'right' },
    { title: 'P95', cell: ({ p95Ms }) => ms(p95Ms), align: 'right' },
    { title: 'P99', cell: ({ p99Ms }) => ms(p99Ms), align: 'right' },
    { title: 'INSTANCES', cell: ({ instanceUsd }) => formatUsd(instanceUsd), align: 'right' },
    { title: 'FUNCTIONS', cell: ({ overflowUsd }) => formatUsd(overflowUsd), align: 'right' },
    { title: 'COLD', cell: ({ coldStarts }) => coldStarts, align: 'right' },
    { title: 'DROPPED', cell: ({ dropped, rejected }) => dropped + rejected, align: 'right' },
    { title: 'REQUESTS', cell: ({ requests }) => requests, align: 'right' },
  ]);
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: Error) => {
    throw new CliError(`cannot read ${file}: ${cause.message}`, 1, { cause });
  });
}

/** Fails at once if the report cannot be written, rather than after minutes of computation. */
async function checkWritable(file: string): Promise<void> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  await access(exists ? file : dirname(resolve(file)), constants.W_OK).catch((cause: Error) => {
    throw new CliError(`cannot write ${file}: ${cause.message}`, 1, { cause });
  });
}

function writeReport(file: string, text: string): Promise<void> {
  return writeFile(file, text).catch((cause: Error) => {
    throw new CliError(`cannot write ${file}: ${cause.message}`, 1, { cause });
  });
}

function slotOf(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= 1000 && ms <= 86_400_000) return ms;
  throw new InvalidArgumentError('expected a slot from 1s to 24h');
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

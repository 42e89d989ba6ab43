/**
 * `penstock simulate`: what scaling policies would cost and keep under a load, request by request, without a server; or under what came
 * to an endpoint of a server.
 */
import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatObjective, type Objective, parseDurationMs, parseObjective } from '../../objective.ts';
import type { Load, SimulatedProfile, SimulationOrder, SimulationResult } from '../../simulation/index.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { Progress } from '../progress.ts';
import { table } from '../table.ts';
import { type CommonOptions, parsedBy, type Session, verb, wholeNumber } from '../verb.ts';
import { msText, usdText } from '../words.ts';

interface SimulateOptions extends CommonOptions {
  readonly trace?: string;
  readonly load?: string;
  readonly replay?: string;
  /** Milliseconds. */
  readonly since: number;
  readonly variant?: string;
  /** Milliseconds, as `lead`. */
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

/** What is simulated, and what a person has to know of it. */
interface Task {
  readonly load: Load;
  readonly profile: SimulatedProfile;
  readonly objective: Objective;
  readonly orders: readonly SimulationOrder[];
  readonly remarks: readonly string[];
  /** What was replayed, for programs. */
  readonly replay: unknown;
}

export function addSimulate(program: Command, doors: Doors): void {
  verb(
    program,
    doors,
    'simulate',
    'tell what scaling policies would cost and keep under a load, made up, recorded or replayed from a server',
  )
    .with((command) => addPolicies(addWorkload(command)))
    .runs(async (session, options: SimulateOptions) => {
      if (options.html !== undefined) await checkWritable(options.html);
      const { infeasibleTypes, reportHtml, simulateAll } = await import('../../simulation/index.ts');
      const { load, profile, objective, orders, remarks, replay } = await (options.replay === undefined
        ? taskOf(session, options)
        : replayTask(session, options, options.replay));
      const leftOut = infeasibleTypes(profile, orders[0]?.types, objective);
      for (const text of [...remarks, ...leftOut]) session.remark(text);
      const progress = new Progress(session.doors);
      progress.stage(
        'simulate',
        `${orders.length === 1 ? '1 policy' : `${orders.length} policies`} over ${lengthText(load)} of ${load.name}`,
      );
      const results = await simulateAll(orders, {
        threads: availableParallelism(),
        interrupted: doors.interrupted,
        onDone: ({ policy }) => progress.say(`${policy} is done`),
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
        await written(options.html, reportHtml(facts, results));
      }
      return 0;
    });
}

async function taskOf(session: Session, options: SimulateOptions): Promise<Task> {
  if (options.variant !== undefined) throw new Failure('--variant is for --replay', 2);
  const { overflowMemoryMiB, referenceSimulated } = await import('../../simulation/index.ts');
  const load = await loadOf(options);
  const profile = (await profileOf(session, options.profile)) ?? referenceSimulated();
  const objective = options.objective ?? parseObjective(objectiveDefault);
  const common = orderOf(options, { load, profile, objective, memoryMiB: options.memory ?? overflowMemoryMiB(profile, objective) });
  const orders = (await policyTexts(options.policy)).map((policy) => ({ ...common, policy }));
  return { load, profile, objective, orders, remarks: remarksOn(load), replay: null };
}

function remarksOn({ name, source }: Load): string[] {
  if (source.kind !== 'counts' || source.counts.some((count) => count > 0)) return [];
  return [`nobody comes in ${name}: all its ${source.counts.length} slots are 0, so this is what those cost who wait for somebody`];
}

/** What came to an endpoint, with how it is served today first. */
async function replayTask(session: Session, options: SimulateOptions, endpoint: string): Promise<Task> {
  const { from, slots, scale, since, variant, lead } = options;
  if (options.trace !== undefined || options.load !== undefined) throw new Failure('give --replay, --trace or --load, one of them', 2);
  if (from !== 0 || slots !== undefined) throw new Failure('--from and --slots are for --trace and --load: say --since', 2);
  const [{ overflowMemoryMiB }, { readReplay }] = await Promise.all([import('../../simulation/index.ts'), import('../replay.ts')]);
  const profile = await profileOf(session, options.profile);
  const client = await session.client();
  const sinceMs = session.doors.clock.wallMs() - since;
  const replay = await readReplay(client, { endpoint, sinceMs, variant, scale, leadMs: lead ?? null, profile });
  const { load, span, gaps, requests, rows } = replay.recording;
  const objective = options.objective ?? replay.objective;
  if (objective === null) throw new Failure(`endpoint ${replay.endpoint} has no objective: give one, --objective 'p95<=100ms'`, 2);
  const memoryMiB = options.memory ?? replay.memoryMiB ?? overflowMemoryMiB(replay.profile, objective);
  const functions = options.functions ?? 'chosen';
  const common = orderOf(
    { ...options, functions, types: options.types ?? replay.types },
    { load, profile: replay.profile, objective, memoryMiB },
    span.fromMs,
  );
  const isOwnChoice = options.policy !== policiesDefault;
  const others = (await policyTexts(options.policy)).map((policy) => ({ ...common, policy }));
  const at = (ms: number): string => new Date(ms).toISOString();
  return {
    load,
    profile: replay.profile,
    objective,
    orders: isOwnChoice ? others : [{ ...common, ...replay.current }, ...others],
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
    .option(
      '--trace <file>',
      'a recorded load: a header, then requests of a slot a line (of several columns, the one called requests or count), or one request a line under t_s or t_ms',
    )
    .option('--load <load>', 'or a made-up one: poisson:RATE, steps:RATE@S,... (from second S on), mmpp:RATE1,RATE2,MEAN1_S,MEAN2_S')
    .option(
      '--replay <endpoint>',
      'or what came to an endpoint of the server, with its own objective and profile, and as it is deployed first',
    )
    .addOption(
      new Option('--since <duration>', 'how far back it is replayed, such as 24h or 7d')
        .argParser(parsedBy(parseDurationMs))
        .default(86_400_000, '24h'),
    )
    .option('--variant <name>', 'of the endpoint, where it has several')
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
      new Option(
        '--policy <policies>',
        'separated by ; or by a comma where no option=value follows, such as hpa:70,window=300s+overflow;economic; may be repeated',
      )
        .argParser((text: string, before: readonly string[]) => (before === policiesDefault ? [text] : [...before, text]))
        .default(policiesDefault, policiesDefault.join(';')),
    )
    .addOption(
      new Option(
        '--profile <profile>',
        "service times: 'reference', what penstock profile MODEL --output json writes, or GROUP/VERSION",
      ).default(undefined, 'reference'),
    )
    .option(
      '--types <types>',
      'instance types, comma-separated, the preferred one first, c5.large:spot=USD_PER_HOUR among them (default: the first of the profile)',
      (text) => text.split(','),
    )
    .addOption(new Option('--objective <promise>', 'the promise').argParser(parsedBy(parseObjective)).default(undefined, objectiveDefault))
    .addOption(
      new Option(
        '--lead <duration>',
        'how long an instance takes to start (default: as the policy or the profile says, else 120s)',
      ).argParser(parsedBy(parseDurationMs)),
    )
    .option('--memory <MiB>', 'of the functions that take what instances cannot', wholeNumber(1, 1_000_000))
    .addOption(
      new Option(
        '--functions <how>',
        'how they take requests: each its own, or in batches whose size and memory are chosen as a server does (default: single; chosen with --replay)',
      ).choices(['single', 'chosen']),
    )
    .option('--overflow-batch <rows>', 'at most so many rows in a call of a function', wholeNumber(1, 4096))
    .option('--no-rescue', 'who waits for an instance waits for it, whatever becomes of its objective')
    .option('--no-slo-correction', 'do not keep more when the objective is missed')
    .option('--max-instances <count>', 'at most so many', wholeNumber(0, 1000), 1000)
    .option('--launch-failures <share>', 'of all launches, 0 to 1, fail when they should be ready', share, 0)
    .option(
      '--interruptions <rate>',
      'so often an hour each spot instance is taken away; each instance where none is spot',
      notNegative,
      0,
    );
}

function orderOf(
  options: SimulateOptions,
  given: Pick<SimulationOrder, 'load' | 'profile' | 'objective' | 'memoryMiB'>,
  beginsAtMs?: number,
): Omit<SimulationOrder, 'policy'> {
  const [first] = given.profile.types;
  return {
    ...given,
    ...(beginsAtMs === undefined ? {} : { beginsAtMs }),
    types: options.types ?? (first === undefined ? [] : [first.name]),
    leadMs: options.lead ?? null,
    instancesMax: options.maxInstances,
    seed: options.seed,
    serviceSeed: options.serviceSeed,
    misfortune: { launchFailureShare: options.launchFailures, interruptionsPerHour: options.interruptions },
    isCorrecting: options.sloCorrection,
    choosesFunctions: options.functions === 'chosen',
    overflow: { rescue: options.rescue, ...(options.overflowBatch === undefined ? {} : { overflowBatch: options.overflowBatch }) },
  };
}

async function policyTexts(given: readonly string[]): Promise<string[]> {
  const { formatPolicy, parsePolicies } = await import('../../autoscaling/index.ts');
  return parsePolicies(given).map(formatPolicy);
}

/** The one that was asked for; null where none was. */
async function profileOf(session: Session, name: string | undefined): Promise<SimulatedProfile | null> {
  if (name === undefined) return null;
  const { parseProfile, referenceSimulated } = await import('../../simulation/index.ts');
  if (name === 'reference') return referenceSimulated();
  const [, group, version] = /^([a-zA-Z0-9][a-zA-Z0-9-]*)\/([1-9]\d*)$/.exec(name) ?? [];
  if (group === undefined) return parseProfile(await read(name), name);
  const { measuredProfile } = await import('../measured-profile.ts');
  return measuredProfile(await session.client(), group, Number(version));
}

async function loadOf({ trace, load, slot: slotMs, scale, from, loadSeed, ...options }: SimulateOptions): Promise<Load> {
  const slots = options.slots ?? null;
  const { loadOfTrace, parseLoad, parseTrace } = await import('../../simulation/index.ts');
  if (trace !== undefined && load !== undefined) throw new Failure('give --trace or --load, not both', 2);
  if (trace !== undefined) return loadOfTrace(basename(trace), parseTrace(await read(trace), trace), { slotMs, from, slots }, scale);
  if (load === undefined) throw new Failure('say what comes: --trace FILE, --load poisson:20, or --replay ENDPOINT', 2);
  if (scale !== 1) throw new Failure('--scale is for --trace: give --load another rate', 2);
  return parseLoad(load, { slotMs, from, slots, loadSeed });
}

function resultsText(results: readonly SimulationResult[]): string {
  const percent = (value: number, digits: number): string => `${(value * 100).toFixed(digits)} %`;
  const ms = (value: number | null): string => (value === null ? '' : msText(value));
  return table(results, [
    { title: 'POLICY', cell: ({ policy }) => policy },
    { title: 'COST/M', cell: ({ costUsdPerMillion }) => (costUsdPerMillion === null ? '' : usdText(costUsdPerMillion)), align: 'right' },
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

/** Before minutes of computing: a file that can be written, or a folder in which one can be made. */
async function checkWritable(file: string): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  await access(isThere ? file : dirname(resolve(file)), constants.W_OK).catch((cause: Error) => {
    throw new Failure(`${file} cannot be written: ${cause.message}`, 1, { cause });
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

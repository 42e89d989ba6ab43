/** `penstock load-test`: puts an endpoint under load and checks its objective. */
import { type Command, Option } from 'commander';
import type { CatalogueEntryBody, EndpointBody, StatusBody, VersionBody } from '../../../api/index.ts';
import { formatMs, parseDurationMs, parseObjective } from '../../../objective.ts';
import { type Random, SeededRandom } from '../../../random.ts';
import type { Signature } from '../../../tensor.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { apiKeyFrom } from '../../client/address.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { bodiesOf, type LoadBodies } from '../../load/load-bodies.ts';
import { failureReasonIn, formatLoadOutcome, outcomeOf, processorShares } from '../../load/load-outcome.ts';
import { type Phase, poissonArrivals } from '../../load/open-loop.ts';
import { runLoad } from '../../load/run-load.ts';
import { readRows } from '../../models/rows-file.ts';
import { takesBytes } from '../../models/takes-bytes.ts';
import { Progress } from '../../output/progress.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb, wholeNumber } from '../../verb.ts';

interface LoadTestOptions extends CommonOptions {
  readonly rate?: number;
  readonly concurrency?: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly shape: LoadShape;
  readonly connections: number;
  readonly input?: string;
  readonly label?: string;
  readonly seed: number;
}

/** All latencies are held in memory. */
const requestsMax = 2_000_000;

/** The shell convention for Ctrl-C, distinct from 1 for a missed objective. */
const interruptedCode = 130;

const exitCodesText = `
Exit codes: 0 the objective was met (without one: no request failed), 1 it was missed or the endpoint is unavailable,
2 invalid command line or rows that the model rejects, ${interruptedCode} interrupted (the results so far are printed).`;

export function addLoadTest(program: Command, context: CliContext): void {
  const summary = 'put an endpoint under load and check whether it meets its objective';
  const builder = verb(program, context, 'load-test <endpoint>', summary);
  builder.with(addOptions).runs(async (session, options: LoadTestOptions, endpoint: string) => {
    checkLoad(builder.command, options);
    const { rate, concurrency, duration: forMs } = options;
    const client = await session.client();
    const view = await client.get<EndpointBody>(`/endpoints/${pathSegment(endpoint)}`);
    const { rows, label, isMadeUp } = await rowsFor(session, client, options, view);
    const target = {
      url: `${client.url}/api/v1/endpoints/${pathSegment(view.name)}/invoke${label === undefined ? '' : `?label=${pathSegment(label)}`}`,
      headers: headersOf(session.context, rows),
      bodies: rows.bodies,
      wantsAnswers: false,
      forMs,
      keepsInterrupted: true,
      stopsWhereRefused: true,
    };
    const load =
      rate === undefined
        ? { arrivalsMs: [], connections: 0, closed: { concurrency: concurrency as number, forMs, requestsMax } }
        : {
            arrivalsMs: shapedArrivals(options.shape, { ratePerSecond: rate, forMs }, new SeededRandom(options.seed)),
            connections: options.connections,
          };
    const arrivals = rate === undefined ? `${concurrency} clients` : `${shapeTexts[options.shape]}, ${rate}/s`;
    const loadText = `${arrivals} for ${formatMs(forMs)}`;
    const progress = new Progress(session.context);
    if (rows.rowsCount > rows.bodies.length) progress.remark('rows', skippedRowsText(options.input, rows));
    if (isMadeUp === true) progress.remark('rows', "random values that fit the model's signature; send real ones with --input FILE.csv");
    progress.stage('load', `${view.name}: ${loadText}`);
    const before = await processorTimes(client);
    const report = await runLoad({ ...target, ...load }, session.context.interrupted, (answered, failed) => {
      if (session.context.stderr.isTTY === true) progress.write(`${view.name}: ${loadText}; ${answered} answered, ${failed} failed`);
    }).catch((error: unknown) => {
      progress.fail();
      throw error;
    });
    if (report.refusal !== null) {
      progress.fail();
      throw new CliError(`stopped because the endpoint rejected all of the first rows: ${failureReasonIn(report.refusal, '400')}`, 2);
    }
    progress.done(`${view.name}: ${loadText}`);
    const objective = view.objective === null ? null : parseObjective(view.objective);
    const outcome = outcomeOf(
      report,
      {
        endpoint: view.name,
        loop: rate === undefined ? 'closed' : 'open',
        load: loadText,
        forMs,
        connections: concurrency ?? options.connections,
        processors: processorShares(before, await processorTimes(client)),
      },
      objective,
    );
    session.print(outcome, formatLoadOutcome(outcome));
    if (outcome.interrupted) return interruptedCode;
    return (outcome.kept ?? outcome.failed === 0) ? 0 : 1;
  });
}

/** Null if the caller may not read the status, or the server was interrupted: the outcome is shown without it. */
async function processorTimes(client: Client): Promise<StatusBody['processor_ms']> {
  try {
    return (await client.get<StatusBody>('/status')).processor_ms ?? null;
  } catch {
    return null;
  }
}

/** Options that have no effect in a closed loop. */
const openLoopOptions = ['shape', 'connections', 'seed'];

function checkLoad(command: Command, { rate, concurrency, duration: forMs }: LoadTestOptions): void {
  if ((rate === undefined) === (concurrency === undefined)) {
    throw new CliError(
      'invalid load: expected either --rate N (requests per second) or --concurrency N (clients that wait for responses)',
      2,
    );
  }
  if (rate !== undefined && (rate * forMs) / 1000 > requestsMax) {
    throw new CliError(
      `${rate}/s for ${formatMs(forMs)} is more than the maximum of ${requestsMax} requests: lower --rate or --duration`,
      2,
    );
  }
  const provided = openLoopOptions.filter((key) => command.getOptionValueSource(key) === 'cli');
  if (rate !== undefined || provided.length === 0) return;
  throw new CliError(
    `${provided.map((key) => `--${key}`).join(', ')} cannot be combined with --concurrency, because its clients send after each response: ` +
      `remove ${provided.length === 1 ? 'it' : 'them'}, or use --rate N instead of --concurrency`,
    2,
  );
}

function skippedRowsText(input: string | undefined, { bodies, rowsCount }: LoadBodies): string {
  const most = bodies.length.toLocaleString('en-US');
  return `${input ?? 'the sample'} has ${rowsCount.toLocaleString('en-US')} rows: only the first ${most} are sent, repeatedly`;
}

function addOptions(command: Command): void {
  command
    .addOption(new Option('--rate <number>', 'requests per second, independent of response times').argParser(wholeNumber(1, 100_000)))
    .addOption(
      new Option('--concurrency <number>', 'instead of --rate: number of clients, each of which sends again after its response').argParser(
        wholeNumber(1, 4096),
      ),
    )
    .addOption(new Option('--duration <duration>', 'duration of the load').argParser(parsedBy(parseDurationMs)).default(30_000, '30s'))
    .addOption(
      new Option('--shape <shape>', 'with --rate: random (Poisson) arrivals, even intervals, or a rate that rises up to it')
        .choices(loadShapes)
        .default('poisson'),
    )
    .addOption(
      new Option('--connections <number>', 'with --rate: maximum number of connections').argParser(wholeNumber(1, 4096)).default(64),
    )
    .option(
      '--input <file>',
      'rows to send, one per request: CSV or JSON (default: the sample rows of a catalogue model, else random values)',
    )
    .option('--label <column>', 'a CSV column that holds the label, not an input')
    .addOption(new Option('--seed <number>', 'seed of random arrivals').argParser(wholeNumber(0, 2 ** 31)).default(1))
    .addHelpText('after', exitCodesText);
}

const shapeTexts: Readonly<Record<LoadShape, string>> = {
  poisson: 'poisson arrivals',
  even: 'even arrivals',
  ramp: 'poisson arrivals at a rising rate',
};

function headersOf({ env }: CliContext, { contentType }: LoadBodies): Record<string, string> {
  const key = apiKeyFrom(env);
  return { 'Content-Type': contentType, ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }) };
}

interface Rows {
  readonly rows: LoadBodies;
  readonly label?: string | undefined;
  readonly isMadeUp?: boolean;
}

/** The user's rows, the sample rows of the served catalogue model, or random values that fit the signature. */
async function rowsFor(
  session: VerbSession,
  client: Client,
  { input, label, seed }: LoadTestOptions,
  { name, variants }: EndpointBody,
): Promise<Rows> {
  if (input !== undefined) {
    const { body, contentType } = await readRows(input, undefined, session.context.stdin);
    return { rows: bodiesOf(Buffer.from(body).toString(), contentType), label };
  }
  const [group = '', version = ''] = (variants[0]?.model ?? '').split('/');
  const { metadata, signature, runtime } = await client.get<VersionBody>(`/groups/${pathSegment(group)}/versions/${pathSegment(version)}`);
  const known = metadata['catalogue'];
  if (known === undefined && takesBytes({ runtime })) {
    throw new CliError(`${name} takes bytes, and has no signature: pass rows with --input FILE.csv or FILE.json`, 2);
  }
  if (known === undefined) {
    // Imported lazily: most loads are of given rows.
    const { sampleBodies } = await import('../../load/sample-bodies.ts');
    try {
      return { rows: sampleBodies(signature as Signature, new SeededRandom(seed)), isMadeUp: true };
    } catch (cause) {
      throw new CliError(`no rows can be made up for ${name}: pass some with --input FILE.csv or FILE.json`, 2, { cause });
    }
  }
  const entry = await client.get<CatalogueEntryBody>(`/catalogue/${pathSegment(known)}`);
  return { rows: bodiesOf(entry.sample_rows, 'text/csv'), label: label ?? entry.label_column };
}

/** The send times of a load's requests. Pure. */
export const loadShapes = ['poisson', 'even', 'ramp'] as const;
type LoadShape = (typeof loadShapes)[number];

const rampSteps = 20;

/** Milliseconds from the start, ascending. `poisson`: independent clients; `even`: constant intervals; `ramp`: Poisson at a rising rate. */
export function shapedArrivals(shape: LoadShape, { ratePerSecond, forMs }: Phase, random: Random): number[] {
  if (shape === 'even') {
    return Array.from({ length: Math.round((ratePerSecond * forMs) / 1000) }, (_, i) => (i * 1000) / ratePerSecond);
  }
  if (shape === 'poisson') return poissonArrivals([{ ratePerSecond, forMs }], random);
  const steps = Array.from({ length: rampSteps }, (_, i) => ({
    ratePerSecond: (ratePerSecond * (i + 1)) / rampSteps,
    forMs: forMs / rampSteps,
  }));
  return poissonArrivals(steps, random);
}

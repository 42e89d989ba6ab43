/** `penstock load-test`: real requests at an endpoint, and whether its promise holds under them. */
import { type Command, Option } from 'commander';
import type { CatalogueEntryBody, EndpointBody, VersionBody } from '../../api/index.ts';
import { formatMs, parseDurationMs, parseObjective } from '../../objective.ts';
import { SeededRandom } from '../../random.ts';
import { keyOf } from '../address.ts';
import { type Client, part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { bodiesOf, type LoadBodies } from '../load/load-bodies.ts';
import { outcomeOf, outcomeText, reasonIn } from '../load/load-outcome.ts';
import { arrivalsOf, type LoadShape, loadShapes } from '../load/load-shapes.ts';
import { runLoad } from '../load/run-load.ts';
import { Progress } from '../progress.ts';
import { readRows } from '../rows-file.ts';
import { type CommonOptions, parsedBy, type Session, verb, wholeNumber } from '../verb.ts';

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

/** All of them are held in memory, with their latencies. */
const requestsMax = 2_000_000;

/** As shells have it for Ctrl-C: not the 1 of a promise that was not kept. */
const interruptedCode = 130;

const exitCodesText = `
Exit codes: 0 the promise was kept (without one: nothing failed), 1 it was not, or the endpoint is not to be had, 2 the command line
is wrong, or the model takes no such rows, ${interruptedCode} interrupted (what there is so far is printed).`;

export function addLoadTest(program: Command, doors: Doors): void {
  const summary = 'send an endpoint requests for a while, and tell whether it keeps its promise under them';
  const builder = verb(program, doors, 'load-test <endpoint>', summary);
  builder.with(addOptions).runs(async (session, options: LoadTestOptions, endpoint: string) => {
    checkLoad(builder.command, options);
    const { rate, concurrency, duration: forMs } = options;
    const client = await session.client();
    const view = await client.get<EndpointBody>(`/endpoints/${part(endpoint)}`);
    const { rows, label } = await rowsFor(session, client, options, view);
    const order = {
      url: `${client.url}/api/v1/endpoints/${part(view.name)}/invoke${label === undefined ? '' : `?label=${part(label)}`}`,
      headers: headersOf(session.doors, rows),
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
            arrivalsMs: arrivalsOf(options.shape, { ratePerSecond: rate, forMs }, new SeededRandom(options.seed)),
            connections: options.connections,
          };
    const what = rate === undefined ? `${concurrency} clients` : `${shapeWords[options.shape]}, ${rate}/s`;
    const words = `${what} for ${formatMs(forMs)}`;
    const progress = new Progress(session.doors);
    if (rows.rowsCount > rows.bodies.length) progress.remark('rows', leftOutText(options.input, rows));
    progress.stage('load', `${view.name}: ${words}`);
    const report = await runLoad({ ...order, ...load }, session.doors.interrupted, (answered, failed) => {
      if (session.doors.stderr.isTTY === true) progress.say(`${view.name}: ${words}; ${answered} answered, ${failed} failed`);
    }).catch((error: unknown) => {
      progress.fail();
      throw error;
    });
    if (report.refusal !== null) {
      progress.fail();
      throw new Failure(`the first rows were all refused, so no more are sent: ${reasonIn(report.refusal, '400')}`, 2);
    }
    progress.done(`${view.name}: ${words}`);
    const objective = view.objective === null ? null : parseObjective(view.objective);
    const outcome = outcomeOf(
      report,
      {
        endpoint: view.name,
        loop: rate === undefined ? 'closed' : 'open',
        load: words,
        forMs,
        connections: concurrency ?? options.connections,
      },
      objective,
    );
    session.print(outcome, outcomeText(outcome));
    if (outcome.interrupted) return interruptedCode;
    return (outcome.kept ?? outcome.failed === 0) ? 0 : 1;
  });
}

/** What is said of a rate would change nothing of clients who wait for their answers. */
const ofRateAlone = ['shape', 'connections', 'seed'];

function checkLoad(command: Command, { rate, concurrency, duration: forMs }: LoadTestOptions): void {
  if ((rate === undefined) === (concurrency === undefined)) {
    throw new Failure('give either --rate N (requests a second) or --concurrency N (clients who wait for their answers)', 2);
  }
  if (rate !== undefined && (rate * forMs) / 1000 > requestsMax) {
    throw new Failure(`${rate}/s for ${formatMs(forMs)} are more than ${requestsMax} requests: lower --rate or --duration`, 2);
  }
  const given = ofRateAlone.filter((key) => command.getOptionValueSource(key) === 'cli');
  if (rate !== undefined || given.length === 0) return;
  throw new Failure(
    `${given.map((key) => `--${key}`).join(', ')} beside --concurrency: clients who wait for their answers ask whenever they were answered; ` +
      `leave ${given.length === 1 ? 'it' : 'them'} out, or give --rate N instead of --concurrency`,
    2,
  );
}

function leftOutText(input: string | undefined, { bodies, rowsCount }: LoadBodies): string {
  const most = bodies.length.toLocaleString('en-US');
  return `${input ?? 'the sample'} has ${rowsCount.toLocaleString('en-US')} rows: only the first ${most} are sent, over and over`;
}

function addOptions(command: Command): void {
  command
    .addOption(new Option('--rate <number>', 'requests a second, however slow the answers are').argParser(wholeNumber(1, 100_000)))
    .addOption(
      new Option('--concurrency <number>', 'instead: so many clients, each of whom asks again once it was answered').argParser(
        wholeNumber(1, 4096),
      ),
    )
    .addOption(new Option('--duration <duration>', 'for how long').argParser(parsedBy(parseDurationMs)).default(30_000, '30s'))
    .addOption(
      new Option('--shape <shape>', 'of --rate: at random as clients come, at equal distances, or rising up to it')
        .choices(loadShapes)
        .default('poisson'),
    )
    .addOption(new Option('--connections <number>', 'of --rate: at most so many at once').argParser(wholeNumber(1, 4096)).default(64))
    .option('--input <file>', 'rows to send, one a request: CSV or JSON; the sample rows of a catalogue model unless given')
    .option('--label <column>', 'a column of the CSV that is the answer, not an input')
    .addOption(new Option('--seed <number>', 'of random arrivals').argParser(wholeNumber(0, 2 ** 31)).default(1))
    .addHelpText('after', exitCodesText);
}

const shapeWords: Readonly<Record<LoadShape, string>> = {
  poisson: 'poisson arrivals',
  even: 'even arrivals',
  ramp: 'poisson arrivals that rise',
};

function headersOf({ env }: Doors, { contentType }: LoadBodies): Record<string, string> {
  const key = keyOf(env);
  return { 'Content-Type': contentType, ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }) };
}

/** What the user gave, or what the catalogue has for the model that serves. */
async function rowsFor(
  session: Session,
  client: Client,
  { input, label }: LoadTestOptions,
  { name, variants }: EndpointBody,
): Promise<{ readonly rows: LoadBodies; readonly label: string | undefined }> {
  if (input !== undefined) {
    const { body, contentType } = await readRows(input, undefined, session.doors.stdin);
    return { rows: bodiesOf(Buffer.from(body).toString(), contentType), label };
  }
  const [group = '', version = ''] = (variants[0]?.model ?? '').split('/');
  const { metadata } = await client.get<VersionBody>(`/groups/${part(group)}/versions/${part(version)}`);
  const known = metadata['catalogue'];
  if (known === undefined) throw new Failure(`nobody knows what ${name} takes: give rows with --input FILE.csv or FILE.json`, 2);
  const entry = await client.get<CatalogueEntryBody>(`/catalogue/${part(known)}`);
  return { rows: bodiesOf(entry.sample_rows, 'text/csv'), label: label ?? entry.label_column };
}

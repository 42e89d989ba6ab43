/** `penstock conformance`: how well a server, whosever it is, keeps to the Open Inference Protocol. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CaseResult, Counts, Report } from '../../conformance/index.ts';
import { parseDurationMs } from '../../objective.ts';
import { bearerToken } from '../bearer-token.ts';
import { Client } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { Progress } from '../progress.ts';
import type { Style } from '../style.ts';
import { fields, table } from '../table.ts';
import { type CommonOptions, parsedBy, verb, wholeNumber } from '../verb.ts';
import { shellQuoted } from '../words.ts';

interface ConformanceOptions extends CommonOptions {
  readonly grpc?: string;
  readonly model?: string;
  readonly input?: string;
  readonly only: readonly string[];
  readonly assume: readonly string[];
  readonly tokenEnv?: string;
  readonly reload: boolean;
  readonly deploy: boolean;
  readonly bodyLimit?: number;
  /** Milliseconds, as `limit`. */
  readonly timeout: number;
  readonly limit: number;
}

const mebibyte = 1024 * 1024;

export function addConformance(program: Command, doors: Doors): void {
  verb(program, doors, 'conformance', 'tell how a server keeps to the Open Inference Protocol, case by case')
    .with(addOptions)
    .runs(async (session, options: ConformanceOptions, url: string) => {
      const token = bearerToken(doors.env, url, options.tokenEnv);
      const { cases, fixtures, readInputs, runSuite } = await import('../../conformance/index.ts');
      const inputs = options.input === undefined ? undefined : readInputs(await read(options.input));
      const progress = new Progress(doors);
      if (options.deploy)
        await (await import('../deploy-fixtures.ts')).deployFixtures(session, new Client(url, token, doors.interrupted), progress);
      progress.stage('ask', url);
      let asked = 0;
      const report = await runSuite({
        url,
        grpc: options.grpc,
        token,
        model: options.model,
        inputs,
        assumed: options.assume,
        only: options.only,
        mayReload: options.reload || options.deploy,
        bodyLimitBytes: options.bodyLimit,
        replyTimeoutMs: options.timeout,
        limitMs: options.limit,
        clock: doors.clock,
        interrupted: doors.interrupted,
        onResult: ({ id, outcome }) => {
          asked++;
          if (outcome === 'failed')
            progress.say(`${id} failed (${asked} of ${options.only.length === 0 ? cases.length : 'those asked for'})`);
        },
      }).catch((error: unknown) => {
        progress.fail();
        throw error;
      });
      progress.done(`${report.cases.length} cases to ${url}`);
      session.print(report, reportText(report, session.style));
      if (options.deploy) session.remark(leftText(url, Object.values(fixtures)));
      return report.total.failed > 0 ? 1 : 0;
    });
}

function addOptions(command: Command): void {
  command
    .argument('<url>', 'of the server, such as http://127.0.0.1:8000', addressOf)
    .option('--grpc <address>', 'HOST:PORT of its gRPC side, https:// in front for TLS (default: the cases G are skipped)', grpcOf)
    .option('--model <name>', 'the model that is asked (default: test-affine, else the first that the server lists)')
    .option('--input <file>', 'a request in JSON that the model takes, where one of zeros and ones will not do')
    .option('--only <cases>', 'cases and groups, comma-separated, such as C7,B,X3', words, [])
    .option('--assume <extensions>', 'extensions, comma-separated, that are asked for though the server does not announce them', words, [])
    .option('--token-env <name>', 'the environment variable with the bearer token (default: PENSTOCK_KEY, for the server of PENSTOCK_URL)')
    .option('--reload', 'models may be loaded and unloaded: C2 and C3 load one, X3 unloads one', false)
    .option('--deploy', 'first put the models that the cases want on the server, which is a Penstock; implies --reload', false)
    .option('--body-limit <bytes>', 'the largest body that the server takes', wholeNumber(1024, 1024 * mebibyte))
    .addOption(new Option('--timeout <duration>', 'for each answer').argParser(parsedBy(parseDurationMs)).default(10_000, '10s'))
    .addOption(new Option('--limit <duration>', 'for all of it').argParser(parsedBy(parseDurationMs)).default(600_000, '600s'));
}

function leftText(url: string, names: readonly string[]): string {
  const remove = `for name in ${names.join(' ')}; do PENSTOCK_URL=${shellQuoted(url)} penstock delete $name; done`;
  return `the endpoints that the cases want are still there: ask again without --deploy, or remove them with\n${remove}`;
}

function words(text: string): string[] {
  return text.split(',');
}

function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '')
    return text.replace(/\/+$/, '').replace(/\/v2$/, '');
  throw new InvalidArgumentError('expected an address such as http://127.0.0.1:8000');
}

function grpcOf(text: string): string {
  if (/^(https:\/\/)?([\w.-]+|\[[\da-f:]+\]):\d{1,5}$/i.test(text)) return text;
  throw new InvalidArgumentError('expected HOST:PORT, such as 127.0.0.1:8001');
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: Error) => {
    throw new Failure(`${file} cannot be read: ${cause.message}`, 1, { cause });
  });
}

const outcomeWords = { passed: 'ok', failed: 'failed', skipped: 'skipped' } as const;
const outcomeColours = { passed: 'green', failed: 'red', skipped: 'yellow' } as const;

function reportText({ url, grpc, server, model, cases, groups, levels, total }: Report, style: Style): string {
  const word = ({ outcome }: CaseResult): string => style.paint(outcomeColours[outcome], outcomeWords[outcome]);
  const list = table(cases, [
    { title: 'CASE', cell: ({ id }) => id },
    { title: 'RESULT', cell: word },
    { title: 'LEVEL', cell: ({ level }) => level },
    { title: 'PROMISE', cell: ({ promise }) => promise },
  ]);
  const rows = [
    ...Object.entries(groups).map(([group, counts]) => ({ name: group, ...counts })),
    ...Object.entries(levels).map(([level, counts]) => ({ name: level, ...counts })),
    { name: 'all', ...total },
  ].filter(({ passed, failed, skipped }) => passed + failed + skipped > 0);
  const counts = table<Counts & { readonly name: string }>(rows, [
    { title: 'CASES', cell: ({ name }) => name },
    { title: 'PASSED', cell: ({ passed }) => passed, align: 'right' },
    { title: 'FAILED', cell: ({ failed }) => failed, align: 'right' },
    { title: 'SKIPPED', cell: ({ skipped }) => skipped, align: 'right' },
  ]);
  const extensions = server.extensions.join(', ') || 'none';
  const head = fields([
    ['server', `${server.name} ${server.version} at ${url}${grpc === null ? '' : `, gRPC at ${grpc}`}`],
    ['extensions', extensions],
    ['model asked', model],
  ]);
  return `${head}\n${list}${reasonsText(cases, 'failed')}${reasonsText(cases, 'skipped')}\n${counts}`;
}

/** Cases that share their reason are told together. */
function reasonsText(cases: readonly CaseResult[], outcome: CaseResult['outcome']): string {
  const some = Map.groupBy(
    cases.filter((each) => each.outcome === outcome),
    ({ reason }) => reason,
  );
  const lines = Array.from(some, ([reason, those]) => [those.map(({ id }) => id).join(' '), reason] as const);
  return lines.length === 0 ? '' : `\n${outcomeWords[outcome]}, and why\n${lines.map(([ids, reason]) => `${ids}: ${reason}\n`).join('')}`;
}

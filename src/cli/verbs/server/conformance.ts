/** `penstock conformance`: tests any server against the Open Inference Protocol. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PlatformError } from '../../../errors.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { apiKeyFrom } from '../../client/address.ts';
import { Client } from '../../client/client.ts';
import { shellQuoted } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { type CommonOptions, parsedBy, verb, wholeNumber } from '../../verb.ts';

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
  /** Milliseconds, like `limit`. */
  readonly timeout: number;
  readonly limit: number;
}

const mebibyte = 1024 * 1024;

export function addConformance(program: Command, context: CliContext): void {
  verb(program, context, 'conformance', 'test a server against the Open Inference Protocol, case by case')
    .with(addOptions)
    .runs(async (session, options: ConformanceOptions, url: string) => {
      const token = bearerToken(context.env, url, options.tokenEnv);
      const { cases, fixtures, readInputs, reportText, runSuite, SuiteError } = await import('#conformance');
      const rethrow = (error: unknown): never => {
        throw error instanceof SuiteError ? new PlatformError(error.code, error.message, { cause: error }) : error;
      };
      const inputsOf = async (file: string) => readInputs(await read(file));
      const inputs = options.input === undefined ? undefined : await inputsOf(options.input).catch(rethrow);
      const progress = new Progress(context);
      if (options.deploy)
        await (await import('../../models/deploy-fixtures.ts')).deployFixtures(
          session,
          new Client(url, token, context.interrupted),
          progress,
        );
      progress.stage('test', url);
      let finished = 0;
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
        clock: context.clock,
        interrupted: context.interrupted,
        onResult: ({ id, outcome }) => {
          finished++;
          if (outcome === 'failed')
            progress.write(`${id} failed (${options.only.length === 0 ? `${finished} of ${cases.length}` : `${finished} done`})`);
        },
      }).catch((error: unknown) => {
        progress.fail();
        return rethrow(error);
      });
      progress.done(`${report.cases.length} cases against ${url}`);
      session.print(
        report,
        reportText(report, (colour, word) => session.style.paint(colour, word)),
      );
      if (options.deploy) session.remark(leftoverModelsText(url, Object.values(fixtures)));
      return report.total.failed > 0 ? 1 : 0;
    });
}

function addOptions(command: Command): void {
  command
    .argument('<url>', 'address of the server, such as http://127.0.0.1:8000', addressOf)
    .option('--grpc <address>', 'HOST:PORT of its gRPC server, with https:// in front for TLS (default: skip the G cases)', grpcOf)
    .option('--model <name>', 'model to test with (default: test-affine, else the first model that the server lists)')
    .option('--input <file>', 'a JSON request that the model accepts, if generated values (zeros and ones) are unsuitable')
    .option('--only <cases>', 'cases and groups to run, comma-separated, such as C7,B,X3', words, [])
    .option('--assume <extensions>', 'extensions to test although the server does not advertise them, comma-separated', words, [])
    .option(
      '--token-env <name>',
      'environment variable that holds the bearer token (default: PENSTOCK_KEY, if the server is that of PENSTOCK_URL)',
    )
    .option('--reload', 'allow loading and unloading models: C2 and C3 load one, X3 unloads one', false)
    .option('--deploy', 'first deploy the models that the cases need (Penstock servers only); implies --reload', false)
    .option('--body-limit <bytes>', 'the largest body that the server accepts', wholeNumber(1024, 1024 * mebibyte))
    .addOption(
      new Option('--timeout <duration>', 'time limit for each response').argParser(parsedBy(parseDurationMs)).default(10_000, '10s'),
    )
    .addOption(
      new Option('--limit <duration>', 'time limit for the whole run').argParser(parsedBy(parseDurationMs)).default(600_000, '600s'),
    );
}

function leftoverModelsText(url: string, names: readonly string[]): string {
  const remove = `for name in ${names.join(' ')}; do PENSTOCK_URL=${shellQuoted(url)} penstock delete $name; done`;
  return `the deployed endpoints were not removed: run again without --deploy, or remove them with\n${remove}`;
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
    throw new CliError(`cannot read ${file}: ${cause.message}`, 1, { cause });
  });
}

/** Chooses the token for a server that is not necessarily the user's own. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The token in the named variable. Without a name, PENSTOCK_KEY, but only for the server that PENSTOCK_URL names: a key must not
 * leak to other servers.
 */
export function bearerToken(env: Environment, url: string, variable: string | undefined): string | undefined {
  if (variable === undefined) return isOwn(env.PENSTOCK_URL, url) ? apiKeyFrom(env) : undefined;
  const token = env[variable];
  if (token !== undefined && /^[!-~]+$/.test(token)) return token;
  throw new CliError(`the environment variable ${variable} holds no token: expected a single word of printable ASCII characters`, 2);
}

function isOwn(own: string | undefined, url: string): boolean {
  return own !== undefined && URL.canParse(own) && new URL(own).origin === new URL(url).origin;
}

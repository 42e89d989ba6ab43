#!/usr/bin/env node
/** `npx @penstock/conformance URL`: tests a server and prints the report. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readInputs } from './client/subject.ts';
import { reportText } from './report-text.ts';
import { runSuite } from './run.ts';
import type { SuiteClock } from './suite-clock.ts';
import { messageOf, SuiteError } from './suite-error.ts';

const usage = `Usage: penstock-conformance URL [options]

Tests a server against the Open Inference Protocol, case by case.

  --grpc HOST:PORT       its gRPC server, with https:// in front for TLS (default: skip the G cases)
  --model NAME           model to test with (default: test-affine, else the first model that the server lists)
  --input FILE           a JSON request that the model accepts, if generated values are unsuitable
  --only CASES           cases and groups to run, comma-separated, such as C7,B,X3
  --assume EXTENSIONS    extensions to test although the server does not advertise them, comma-separated
  --token-env NAME       environment variable that holds the bearer token
  --reload               allow loading and unloading models
  --body-limit BYTES     the largest body that the server accepts
  --timeout SECONDS      time limit for each response (default: 10)
  --limit SECONDS        time limit for the whole run (default: 600)
  --json                 print the report as JSON
  --help                 print this
`;

const options = {
  grpc: { type: 'string' },
  model: { type: 'string' },
  input: { type: 'string' },
  only: { type: 'string' },
  assume: { type: 'string' },
  'token-env': { type: 'string' },
  reload: { type: 'boolean', default: false },
  'body-limit': { type: 'string' },
  timeout: { type: 'string', default: '10' },
  limit: { type: 'string', default: '600' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const clock: SuiteClock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && number > 0 && number <= 2 ** 31) return number;
  throw new SuiteError('invalid_request', `--${name}: expected a positive number, got '${text.slice(0, 80)}'`);
}

function addressOf(text: string | undefined): string {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : null;
  if (text !== undefined && url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '') {
    return text.replace(/\/+$/, '').replace(/\/v2$/, '');
  }
  throw new SuiteError(
    'invalid_request',
    `expected an address such as http://127.0.0.1:8000, got ${text?.slice(0, 80) ?? 'none'}; see --help`,
  );
}

function grpcOf(text: string | undefined): string | undefined {
  if (text === undefined || /^(https:\/\/)?([\w.-]+|\[[\da-f:]+\]):\d{1,5}$/i.test(text)) return text;
  throw new SuiteError('invalid_request', `--grpc: expected HOST:PORT, such as 127.0.0.1:8001, got '${text.slice(0, 80)}'`);
}

function tokenOf(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const token = process.env[name];
  if (token !== undefined && /^[!-~]+$/.test(token)) return token;
  throw new SuiteError('invalid_request', `the environment variable ${name} holds no token: expected a single word of printable ASCII`);
}

function commandLine() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (cause) {
    throw new SuiteError('invalid_request', `${messageOf(cause)}; see --help`, { cause });
  }
}

function requestFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SuiteError('invalid_request', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function main(): Promise<number> {
  const { values, positionals } = commandLine();
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const interruption = new AbortController();
  process.once('SIGINT', () => interruption.abort());
  const words = (text: string | undefined): string[] => text?.split(',') ?? [];
  const report = await runSuite({
    url: addressOf(positionals.length === 1 ? positionals[0] : undefined),
    grpc: grpcOf(values.grpc),
    token: tokenOf(values['token-env']),
    model: values.model,
    inputs: values.input === undefined ? undefined : readInputs(requestFile(values.input)),
    only: words(values.only),
    assumed: words(values.assume),
    mayReload: values.reload,
    bodyLimitBytes: values['body-limit'] === undefined ? undefined : numberOf('body-limit', values['body-limit']),
    replyTimeoutMs: 1000 * numberOf('timeout', values.timeout),
    limitMs: 1000 * numberOf('limit', values.limit),
    clock,
    interrupted: interruption.signal,
  });
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  return report.total.failed > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`penstock-conformance: ${messageOf(error)}\n`);
  process.exitCode = error instanceof SuiteError && error.code === 'invalid_request' ? 2 : 1;
}

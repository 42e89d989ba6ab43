/** `penstock logs`: logs of the server, of requests and of workers, as short lines or as JSON. */
import type { Command } from 'commander';
import type { CliContext } from '../../cli-context.ts';
import { CliError, ServerError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { addHistoryOptions, type HistoryOptions } from '../../options/history-options.ts';
import { shellQuoted } from '../../output/format.ts';
import type { Colour, Style } from '../../output/style.ts';
import { verb } from '../../verb.ts';

interface LogsOptions extends HistoryOptions {
  readonly log?: string;
  readonly filter?: string;
  readonly request?: string;
}

export function addLogs(program: Command, context: CliContext): void {
  verb(program, context, 'logs [endpoint]', 'show the log of the server, of the requests to an endpoint, or of its workers')
    .with((command) =>
      addHistoryOptions(command, 'lines')
        .option(
          '--log <log>',
          'platform, requests, access (control-plane calls), workers (of an endpoint), or the name of a log group (default: requests with an endpoint, else platform)',
        )
        .option('--request <id>', 'only stored lines that name this request, with `--log workers` also what a Python model printed for it')
        .option(
          '--filter <pattern>',
          "only stored lines that contain these words or match a pattern such as '{ $.level >= 40 }' or '{ $.status != \"ok\" }'",
        ),
    )
    .runs(async (session, options: LogsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      const log = options.log ?? (endpoint === undefined ? 'platform' : 'requests');
      if (endpoint === undefined && log === 'workers')
        throw new CliError('--log workers needs an endpoint: penstock logs ENDPOINT --log workers', 2);
      const query = { log, endpoint, filter: options.filter, request: options.request, limit: options.tail };
      const write = (line: string): void => {
        session.context.stdout.write(`${session.wantsJson ? line : logText(line, session.style)}\n`);
      };
      if (options.follow && endpoint !== undefined) await checkExists(client, endpoint);
      if (!options.follow) {
        const { items } = await client.get<{ items: readonly { line: string }[] }>('/logs', { query });
        // A deleted endpoint still has lines. For an endpoint that never existed, `checkExists` throws.
        if (items.length === 0 && options.tail > 0) {
          if (endpoint !== undefined) await checkExists(client, endpoint);
          session.remark(remarkOf(endpoint, log, options));
        }
        for (const { line } of items) write(line);
        return 0;
      }
      for await (const line of client.events('/logs', { query: { ...query, follow: true } })) write(line);
      return 0;
    });
}

function remarkOf(endpoint: string | undefined, log: string, { filter, request }: LogsOptions): string {
  if (filter === undefined && request !== undefined)
    return `no line${endpoint === undefined ? '' : ` of ${endpoint}`} names the request ${request}`;
  if (filter !== undefined) {
    const result = endpoint === undefined ? 'no line matches' : `no line of ${endpoint} matches`;
    return `${result}: filters are applied to stored lines, which --output json shows`;
  }
  if (endpoint === undefined) return 'this log has no lines yet';
  return log === 'requests' ? `${endpoint} has received no requests yet` : `this log has no lines of ${endpoint} yet`;
}

/** Throws the server's error if the endpoint does not exist, with a hint if logs of its deleted workers remain. */
async function checkExists(client: Client, endpoint: string): Promise<void> {
  try {
    await client.get(`/endpoints/${pathSegment(endpoint)}`);
  } catch (error) {
    if (!(error instanceof ServerError && error.code === 'not_found')) throw error;
    const group = `/aws/sagemaker/Endpoints/${endpoint}`;
    if (!(await hasLines(client, group))) throw error;
    throw new CliError(`${error.message}; its remaining logs: penstock logs --log ${shellQuoted(group)}`, 1, { cause: error });
  }
}

async function hasLines(client: Client, log: string): Promise<boolean> {
  try {
    return (await client.get<{ items: readonly unknown[] }>('/logs', { query: { log, limit: 1 } })).items.length > 0;
  } catch (error) {
    if (error instanceof ServerError && error.code === 'not_found') return false;
    throw error;
  }
}

/** Formats a JSON log line for people. */
const levels: Readonly<Record<string, readonly [string, Colour]>> = {
  '10': ['trace', 'gray'],
  '20': ['debug', 'gray'],
  '30': ['info', 'green'],
  '40': ['warn', 'yellow'],
  '50': ['error', 'red'],
  '60': ['fatal', 'red'],
};

/** Lines that are not JSON stay unchanged. */
export function logText(line: string, style: Style): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  if (typeof fields !== 'object' || fields === null) return line;
  const { time, at, atMs, level, message, ...rest } = fields;
  const when = timeOf(time ?? at ?? atMs);
  const [word, colour] = levels[String(level)] ?? [typeof level === 'string' ? level : '', 'gray'];
  const shown = Object.entries(rest).filter(([, value]) => value !== null);
  const others = shown.map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const parts = [
    when === '' ? '' : style.paint('gray', when),
    word === '' ? '' : style.paint(colour, word.padEnd(5)),
    typeof message === 'string' ? message : '',
    ...others,
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function timeOf(time: unknown): string {
  if (typeof time === 'string') return time;
  return typeof time === 'number' ? new Date(time).toISOString() : '';
}

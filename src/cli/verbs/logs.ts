/** `penstock logs`: the lines of the server, of its requests and workers, as JSON lines for programs and in short for people. */
import type { Command } from 'commander';
import { type Client, part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure, Refusal } from '../failure.ts';
import { logText } from '../log-text.ts';
import { addPastOptions, type PastOptions } from '../past-options.ts';
import { verb } from '../verb.ts';
import { shellQuoted } from '../words.ts';

interface LogsOptions extends PastOptions {
  readonly log?: string;
  readonly filter?: string;
}

export function addLogs(program: Command, doors: Doors): void {
  verb(program, doors, 'logs [endpoint]', 'show the log of the server, of the requests to an endpoint, or of its workers')
    .with((command) =>
      addPastOptions(command, 'lines')
        .option(
          '--log <log>',
          'platform, requests, access (control calls), workers (of an endpoint), or the name of a log group: requests with an endpoint, else platform',
        )
        .option(
          '--filter <pattern>',
          "only lines that have these words as stored, or such as '{ $.level >= 40 }', '{ $.status != \"ok\" }'",
        ),
    )
    .runs(async (session, options: LogsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      const log = options.log ?? (endpoint === undefined ? 'platform' : 'requests');
      if (endpoint === undefined && log === 'workers')
        throw new Failure('the log workers is that of an endpoint: penstock logs ENDPOINT --log workers', 2);
      const query = { log, endpoint, filter: options.filter, limit: options.lines };
      const write = (line: string): void => {
        session.doors.stdout.write(`${session.wantsJson ? line : logText(line, session.style)}\n`);
      };
      if (options.follow && endpoint !== undefined) await known(client, endpoint);
      if (!options.follow) {
        const { items } = await client.get<{ items: readonly { line: string }[] }>('/logs', { query });
        // One that is gone has left its lines; one that never was has none.
        if (items.length === 0 && options.lines > 0) {
          if (endpoint !== undefined) await known(client, endpoint);
          session.remark(remarkOf(endpoint, log, options.filter));
        }
        for (const { line } of items) write(line);
        return 0;
      }
      for await (const line of client.events('/logs', { query: { ...query, follow: true } })) write(line);
      return 0;
    });
}

function remarkOf(endpoint: string | undefined, log: string, filter: string | undefined): string {
  if (filter !== undefined) {
    const what = endpoint === undefined ? 'no line matches' : `no line of ${endpoint} matches`;
    return `${what}: filters look at lines as they are stored, which --output json shows`;
  }
  if (endpoint === undefined) return 'this log has no lines yet';
  return log === 'requests' ? `${endpoint} has had no requests yet` : `nothing was said of ${endpoint} yet`;
}

/** Throws as the server refuses an endpoint that it does not know, and tells where the workers' lines of one that was deleted are. */
async function known(client: Client, endpoint: string): Promise<void> {
  try {
    await client.get(`/endpoints/${part(endpoint)}`);
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'not_found')) throw error;
    const group = `/aws/sagemaker/Endpoints/${endpoint}`;
    if (!(await hasLines(client, group))) throw error;
    throw new Failure(`${error.message}; what is left of it: penstock logs --log ${shellQuoted(group)}`, 1, { cause: error });
  }
}

async function hasLines(client: Client, log: string): Promise<boolean> {
  try {
    return (await client.get<{ items: readonly unknown[] }>('/logs', { query: { log, limit: 1 } })).items.length > 0;
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_found') return false;
    throw error;
  }
}

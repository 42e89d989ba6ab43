/** `penstock logs`: the lines of the server and of its requests, as JSON lines for programs and in short for people. */
import { type Command, Option } from 'commander';
import { type Client, part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { logText } from '../log-text.ts';
import { type CommonOptions, verb, wholeNumber } from '../verb.ts';

interface LogsOptions extends CommonOptions {
  readonly follow: boolean;
  readonly lines: number;
  readonly log: 'platform' | 'requests';
}

export function addLogs(program: Command, doors: Doors): void {
  verb(program, doors, 'logs [endpoint]', 'show the log of the server, or of the requests to an endpoint')
    .with((command) =>
      command
        .option('-f, --follow', 'go on with what comes', false)
        .option('-n, --lines <number>', 'how many lines of the past', wholeNumber(0, 10_000), 100)
        .addOption(new Option('--log <log>', 'which log').choices(['platform', 'requests']).default('platform')),
    )
    .runs(async (session, options: LogsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      const log = endpoint === undefined ? options.log : 'requests';
      const query = { log, endpoint, limit: options.lines };
      const write = (line: string): void => {
        session.doors.stdout.write(`${session.wantsJson ? line : logText(line, session.style)}\n`);
      };
      if (options.follow && endpoint !== undefined) await known(client, endpoint);
      if (!options.follow) {
        const { items } = await client.get<{ items: readonly { line: string }[] }>('/logs', { query });
        // One that is gone has left its lines; one that never was has none.
        if (items.length === 0 && options.lines > 0 && endpoint !== undefined) {
          await known(client, endpoint);
          session.remark(`${endpoint} has had no requests yet`);
        }
        for (const { line } of items) write(line);
        return 0;
      }
      for await (const line of client.events('/logs', { query: { ...query, follow: true } })) write(line);
      return 0;
    });
}

/** Throws as the server refuses an endpoint that it does not know. */
async function known(client: Client, endpoint: string): Promise<void> {
  await client.get(`/endpoints/${part(endpoint)}`);
}

/** `penstock load` and `penstock unload`: an endpoint stopped with its settings kept, and served again. */
import { type Command, Option } from 'commander';
import type { EndpointBody } from '../../api/index.ts';
import { parseDurationMs } from '../../objective.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { inService, unloaded } from '../in-service.ts';
import { Progress } from '../progress.ts';
import { type CommonOptions, parsedBy, verb } from '../verb.ts';

interface LoadOptions extends CommonOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly wait: boolean;
}

export function addLoad(program: Command, doors: Doors): void {
  add(program, doors, 'load', 'serve an endpoint that was unloaded; replace the workers of one that was not');
}

export function addUnload(program: Command, doors: Doors): void {
  add(program, doors, 'unload', 'stop the workers of an endpoint and keep its settings');
}

function add(program: Command, doors: Doors, name: 'load' | 'unload', summary: string): void {
  verb(program, doors, `${name} <endpoint>`, summary)
    .with((command) =>
      command
        .addOption(
          new Option('--timeout <duration>', 'how long to wait until it is done')
            .argParser(parsedBy(parseDurationMs))
            .default(60_000, '60s'),
        )
        .option('--no-wait', 'do not wait'),
    )
    .runs(async (session, { timeout, wait }: LoadOptions, endpoint: string) => {
      const client = await session.client();
      const progress = new Progress(session.doors);
      const first = await client.post<EndpointBody>(`/endpoints/${part(endpoint)}/${name}`);
      const waitFor = name === 'load' ? inService : unloaded;
      let view = first;
      try {
        if (wait) view = await waitFor(session, client, progress, first, timeout);
      } catch (error) {
        progress.fail();
        throw error;
      }
      session.print(view, `${view.name} is ${session.style.state(view.status)}\n`);
      return 0;
    });
}

/** `penstock unload` stops an endpoint's workers and keeps its settings; `penstock load` serves it again. */
import { type Command, Option } from 'commander';
import type { EndpointBody } from '../../../api/index.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { inService, unloaded } from '../../client/in-service.ts';
import { Progress } from '../../output/progress.ts';
import { type CommonOptions, parsedBy, verb } from '../../verb.ts';

interface LoadOptions extends CommonOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly wait: boolean;
}

export function addLoad(program: Command, context: CliContext): void {
  add(program, context, 'load', 'serve an unloaded endpoint again, or replace the workers of a loaded one');
}

export function addUnload(program: Command, context: CliContext): void {
  add(program, context, 'unload', 'stop the workers of an endpoint and keep its settings');
}

function add(program: Command, context: CliContext, name: 'load' | 'unload', summary: string): void {
  verb(program, context, `${name} <endpoint>`, summary)
    .with((command) =>
      command
        .addOption(
          new Option('--timeout <duration>', 'how long to wait until this is complete')
            .argParser(parsedBy(parseDurationMs))
            .default(60_000, '60s'),
        )
        .option('--no-wait', 'return without waiting'),
    )
    .runs(async (session, { timeout, wait }: LoadOptions, endpoint: string) => {
      const client = await session.client();
      const progress = new Progress(session.context);
      const first = await client.post<EndpointBody>(`/endpoints/${pathSegment(endpoint)}/${name}`);
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

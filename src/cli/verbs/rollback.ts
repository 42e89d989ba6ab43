/** `penstock rollback`: an update taken back by hand, or the version before served again. */
import type { Command } from 'commander';
import type { EndpointBody } from '../../api/index.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { inService } from '../in-service.ts';
import { Progress } from '../progress.ts';
import { verb } from '../verb.ts';

/** The version before may have to start first, and a process may take four minutes. */
const timeoutMs = 300_000;

export function addRollback(program: Command, doors: Doors): void {
  verb(
    program,
    doors,
    'rollback <endpoint>',
    'take back the update under way, or go back to the version before: each time further back',
  ).runs(async (session, _options, endpoint: string) => {
    const client = await session.client();
    const progress = new Progress(session.doors);
    const path = `/endpoints/${part(endpoint)}`;
    const before = await client.get<EndpointBody>(path);
    const first = await client.post<EndpointBody>(`${path}/rollback`);
    try {
      const view = await inService(session, client, progress, first, timeoutMs);
      session.print(view, `${view.name} went back from ${modelsOf(before)} to ${modelsOf(view)}\n`);
    } catch (error) {
      progress.fail();
      throw error;
    }
    return 0;
  });
}

function modelsOf({ variants }: EndpointBody): string {
  return [...new Set(variants.map(({ model }) => model))].join(' and ');
}

/** `penstock rollback`: an update taken back by hand, or the version before served again. */
import type { Command } from 'commander';
import type { EndpointBody, UpdateBody } from '../../api/index.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { inService } from '../in-service.ts';
import { Progress } from '../progress.ts';
import { stayingText } from '../settings-text.ts';
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
      const { items } = await client.get<{ readonly items: readonly UpdateBody[] }>(`${path}/updates?limit=10`);
      const update = items.find(({ what, generation }) => what === 'rolled back' && generation === first.generation);
      const stays = update === undefined ? '' : stayingText(update, '\n');
      const { staying = [] } = update ?? {};
      const went = `${view.name} went back from ${modelsOf(before)} to ${modelsOf(view)}`;
      session.print({ ...view, staying }, `${[went, stays].filter((line) => line !== '').join('\n')}\n`);
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

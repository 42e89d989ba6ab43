/** `penstock rollback`: reverts the update in progress, or serves the previous version again. */
import type { Command } from 'commander';
import type { EndpointBody, UpdateBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { inService } from '../../client/in-service.ts';
import { Progress } from '../../output/progress.ts';
import { unchangedText } from '../../output/settings-text.ts';
import { verb } from '../../verb.ts';

/** The previous version may have to start first, and a process may take four minutes. */
const timeoutMs = 300_000;

export function addRollback(program: Command, context: CliContext): void {
  verb(
    program,
    context,
    'rollback <endpoint>',
    'revert the update in progress, or return to the previous version; repeat to go further back',
  ).runs(async (session, _options, endpoint: string) => {
    const client = await session.client();
    const progress = new Progress(session.context);
    const path = `/endpoints/${pathSegment(endpoint)}`;
    const before = await client.get<EndpointBody>(path);
    const first = await client.post<EndpointBody>(`${path}/rollback`);
    try {
      const view = await inService(session, client, progress, first, timeoutMs);
      const { items } = await client.get<{ readonly items: readonly UpdateBody[] }>(`${path}/updates?limit=10`);
      const update = items.find(({ what, generation }) => what === 'rolled back' && generation === first.generation);
      const unchanged = update === undefined ? '' : unchangedText(update, '\n');
      const { staying = [] } = update ?? {};
      const result = `${view.name} was rolled back from ${modelsOf(before)} to ${modelsOf(view)}`;
      session.print({ ...view, staying }, `${[result, unchanged].filter((line) => line !== '').join('\n')}\n`);
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

/** `penstock continue`: continues a paused update, although there are too few answers to judge it. */
import type { Command } from 'commander';
import type { EndpointBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { isInProgress } from '../../options/rollout-options.ts';
import { verb } from '../../verb.ts';

export function addContinue(program: Command, context: CliContext): void {
  verb(program, context, 'continue <endpoint>', 'continue a paused update without the answers that it waits for').runs(
    async (session, _options, endpoint: string) => {
      const client = await session.client();
      const view = await client.post<EndpointBody>(`/endpoints/${pathSegment(endpoint)}/continue`);
      session.print(view, `${resultText(view)}\n`);
      return 0;
    },
  );
}

function resultText({ name, rollout }: EndpointBody): string {
  if (!isInProgress(rollout)) return `the update of ${name} is complete`;
  return `the update of ${name} continues with ${rollout.share_percent} % of the requests: see \`penstock describe ${name}\``;
}

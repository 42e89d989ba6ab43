/** `penstock why`: explains the latency of a request. */
import type { Command } from 'commander';
import type { RequestBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { verb } from '../../verb.ts';

export function addWhy(program: Command, context: CliContext): void {
  verb(program, context, 'why <request>', 'explain the latency of a request, by the x-request-id of its response').runs(
    async (session, _options, request: string) => {
      const explained = await (await session.client()).get<RequestBody>(`/requests/${pathSegment(request)}`);
      session.print(explained, `${explained.explanation.join('\n')}\n`);
      return 0;
    },
  );
}

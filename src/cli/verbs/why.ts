/** `penstock why`: where the time of a request went, and why. */
import type { Command } from 'commander';
import type { RequestBody } from '../../api/index.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { verb } from '../verb.ts';

export function addWhy(program: Command, doors: Doors): void {
  verb(program, doors, 'why <request>', 'tell where the time of a request went, by the x-request-id of its answer').runs(
    async (session, _options, request: string) => {
      const told = await (await session.client()).get<RequestBody>(`/requests/${part(request)}`);
      session.print(told, `${told.explanation.join('\n')}\n`);
      return 0;
    },
  );
}

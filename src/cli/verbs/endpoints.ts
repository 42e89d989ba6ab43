/** `penstock endpoints` and `penstock delete`. */
import type { Command } from 'commander';
import type { EndpointBody } from '../../api/index.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { versionPath } from '../model-source.ts';
import { inTimeText } from '../promise-words.ts';
import { table } from '../table.ts';
import { readyText, typeText } from '../variant-words.ts';
import { type CommonOptions, verb } from '../verb.ts';
import { shortened, timeText } from '../words.ts';

interface DeleteOptions extends CommonOptions {
  readonly group: boolean;
}

export function addEndpoints(program: Command, doors: Doors): void {
  verb(program, doors, 'endpoints', 'list the endpoints').runs(async (session) => {
    const endpoints = await (await session.client()).all<EndpointBody>('/endpoints');
    if (endpoints.length === 0) session.remark('there are no endpoints: try `penstock deploy catalogue:digits-mlp --approve`');
    const ofAll = (view: EndpointBody, read: (variant: EndpointBody['variants'][number]) => string) => view.variants.map(read).join(', ');
    session.print(
      endpoints,
      table(endpoints, [
        { title: 'ENDPOINT', cell: (view) => view.name },
        { title: 'STATUS', cell: (view) => session.style.state(view.status) },
        { title: 'MODEL', cell: (view) => ofAll(view, (variant) => variant.model) },
        { title: 'READY', cell: (view) => ofAll(view, readyText), align: 'right' },
        { title: 'TYPE', cell: (view) => ofAll(view, typeText) },
        { title: 'OBJECTIVE', cell: (view) => view.objective },
        { title: 'IN TIME', cell: (view) => inTimeText(view, session.style), align: 'right' },
        { title: 'UPDATED (UTC)', cell: (view) => timeText(view.updated_at) },
        { title: 'REASON', cell: (view) => shortened(view.reason ?? '', 60) },
      ]),
    );
    return 0;
  });
}

export function addDelete(program: Command, doors: Doors): void {
  verb(program, doors, 'delete <endpoint|group/version>', 'delete an endpoint, a model version that none uses, or an empty group')
    .with((command) => command.option('--group', 'the name is that of a model group, which has no versions', false))
    .runs(async (session, options: DeleteOptions, name: string) => {
      const isEndpoint = !options.group && !name.includes('/');
      const path = options.group ? `/groups/${part(name)}` : isEndpoint ? `/endpoints/${part(name)}` : versionPath(name);
      await (await session.client()).delete(path);
      session.print({ deleted: name }, `${name} is ${isEndpoint ? 'being deleted' : 'deleted'}\n`);
      return 0;
    });
}

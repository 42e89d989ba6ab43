/** `penstock events`: what happened to endpoints, versions, alarms and transforms, and what happens. */
import type { Command } from 'commander';
import type { EventBody, Page } from '../../api/index.ts';
import type { Query } from '../client.ts';
import type { Doors } from '../doors.ts';
import { eventText } from '../event-text.ts';
import { addPastOptions, type PastOptions } from '../past-options.ts';
import { type SteadyColumn, SteadyTable, table } from '../table.ts';
import { verb } from '../verb.ts';
import { timeText } from '../words.ts';

interface EventsOptions extends PastOptions {
  readonly kind?: string;
}

export function addEvents(program: Command, doors: Doors): void {
  verb(
    program,
    doors,
    'events [name]',
    'show what happened to an endpoint and its alarms, a version or a transform, or to all; the latest last',
  )
    .with((command) =>
      addPastOptions(command, 'events').option(
        '--kind <kinds>',
        'only such: endpoint.failed,alarm.state-changed; alarm stands for all of alarms; a wrong one is answered with all',
      ),
    )
    .runs(async (session, { follow, lines, kind }: EventsOptions, name: string | undefined) => {
      const client = await session.client();
      const wish = { kind: kind?.replaceAll(' ', ''), ...nameQuery(name) };
      const recent = (limit: number) => client.get<Page<EventBody>>('/events/recent', { query: { ...wish, limit } });
      // Also who follows is told at once that perhaps the name is not right.
      const { items } = await recent(follow || lines === 0 ? 1 : lines);
      if (items.length === 0) session.remark(`${nothingText(name, kind)}${follow ? '; waiting for it' : ''}`);
      const { stdout } = session.doors;
      if (!follow) {
        const events = items.slice(0, lines).toReversed();
        stdout.write(session.wantsJson ? events.map((event) => `${JSON.stringify(event)}\n`).join('') : table(events, columns));
        return 0;
      }
      const steady = new SteadyTable(columns);
      if (!session.wantsJson) stdout.write(steady.titles);
      for await (const data of client.events('/events', { query: { ...wish, recent: lines } })) {
        stdout.write(session.wantsJson ? `${data}\n` : steady.lineOf(JSON.parse(data) as EventBody));
      }
      return 0;
    });
}

/** A version is called GROUP/VERSION, and alarms have slashes too; an endpoint is asked for with its alarms. */
function nameQuery(name: string | undefined): Query {
  if (name === undefined) return {};
  return name.includes('/') ? { subject: name } : { endpoint: name };
}

const columns: readonly SteadyColumn<EventBody>[] = [
  { title: 'AT (UTC)', cell: ({ at }) => timeText(at), width: 19 },
  { title: 'EVENT', cell: ({ kind }) => kind, width: 24 },
  { title: 'OF', cell: ({ subject }) => subject, width: 26 },
  { title: 'WHAT', cell: eventText, width: 0 },
];

function nothingText(name: string | undefined, kind: string | undefined): string {
  if (kind !== undefined) return `nothing of the kind ${kind} happened${name === undefined ? '' : ` to ${name}`}`;
  return name === undefined
    ? 'nothing happened yet'
    : `nothing happened to ${name}: names are those of endpoints, groups, versions, transforms and alarms`;
}

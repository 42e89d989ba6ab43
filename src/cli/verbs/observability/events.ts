/** `penstock events`: events of endpoints, versions, alarms and transforms, past and live. */
import type { Command } from 'commander';
import type { EventBody, PageBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import type { ClientQuery } from '../../client/client.ts';
import { addHistoryOptions, type HistoryOptions } from '../../options/history-options.ts';
import { eventText } from '../../output/event-text.ts';
import { timeText } from '../../output/format.ts';
import { type SteadyColumn, SteadyTable, table } from '../../output/table.ts';
import { verb } from '../../verb.ts';

interface EventsOptions extends HistoryOptions {
  readonly kind?: string;
}

export function addEvents(program: Command, context: CliContext): void {
  verb(program, context, 'events [name]', 'show the events of an endpoint and its alarms, a version, a transform, or all; the latest last')
    .with((command) =>
      addHistoryOptions(command, 'events').option(
        '--kind <kinds>',
        'only these kinds: endpoint.failed,alarm.state-changed; a prefix such as alarm means all its kinds; an unknown kind lists all kinds',
      ),
    )
    .runs(async (session, { follow, tail, kind }: EventsOptions, name: string | undefined) => {
      const client = await session.client();
      const filter = { kind: kind?.replaceAll(' ', ''), ...nameQuery(name) };
      const recent = (limit: number) => client.get<PageBody<EventBody>>('/events/recent', { query: { ...filter, limit } });
      // Warns about a possibly wrong name at once, even with --follow.
      const { items } = await recent(follow || tail === 0 ? 1 : tail);
      if (items.length === 0) session.remark(`${nothingText(name, kind)}${follow ? '; waiting for events' : ''}`);
      const { stdout } = session.context;
      if (!follow) {
        const events = items.slice(0, tail).toReversed();
        stdout.write(session.wantsJson ? events.map((event) => `${JSON.stringify(event)}\n`).join('') : table(events, columns));
        return 0;
      }
      const steady = new SteadyTable(columns);
      if (!session.wantsJson) stdout.write(steady.titles);
      for await (const data of client.events('/events', { query: { ...filter, recent: tail } })) {
        stdout.write(session.wantsJson ? `${data}\n` : steady.lineOf(JSON.parse(data) as EventBody));
      }
      return 0;
    });
}

/** Names with a slash are versions or alarms. An endpoint's events include those of its alarms. */
function nameQuery(name: string | undefined): ClientQuery {
  if (name === undefined) return {};
  return name.includes('/') ? { subject: name } : { endpoint: name };
}

const columns: readonly SteadyColumn<EventBody>[] = [
  { title: 'AT (UTC)', cell: ({ at }) => timeText(at), width: 19 },
  { title: 'EVENT', cell: ({ kind }) => kind, width: 24 },
  { title: 'SUBJECT', cell: ({ subject }) => subject, width: 26 },
  { title: 'DETAIL', cell: eventText, width: 0 },
];

function nothingText(name: string | undefined, kind: string | undefined): string {
  if (kind !== undefined) return `no events of kind ${kind}${name === undefined ? '' : ` for ${name}`}`;
  return name === undefined
    ? 'no events yet'
    : `no events for ${name}: expected the name of an endpoint, group, version, transform or alarm`;
}

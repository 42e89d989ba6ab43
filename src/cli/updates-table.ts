/** The steps of updates that were watched, deploys that nobody watched, other settings, and rollbacks, as a table. */
import type { UpdateBody } from '../api/index.ts';
import { settingsText, stayingText } from './settings-text.ts';
import { table } from './table.ts';
import { countText, shareText, timeText } from './words.ts';

/** With the endpoint of each where they are those of `several`. */
export function updatesText(updates: readonly UpdateBody[], several = false): string {
  return table(updates, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'UPDATE', cell: ({ what }) => what },
    { title: 'FROM', cell: ({ from }) => from.join(' and ') },
    { title: 'TO', cell: ({ to }) => to.join(' and ') },
    { title: 'SHARE', cell: ({ share_percent: share }) => (share === null ? null : `${share} %`), align: 'right' },
    {
      title: 'WHY',
      cell: (update) => {
        const { reason, by, settings, more_settings: more, versions } = update;
        return [settingsText(settings, more), stayingText(update), askedText(reason, by), versions.map(judgedText).join('; ')]
          .filter((text) => text !== '')
          .join('; ');
      },
    },
  ]);
}

function askedText(reason: string | null, by: string | null): string {
  if (by === null) return reason ?? '';
  return reason === null ? `asked for by ${by}` : `${reason}, by ${by}`;
}

function judgedText({ model, requests, late, failed, refused, overloaded }: UpdateBody['versions'][number]): string {
  const told = [
    ['late', late],
    ['failed', failed],
    ['refused as overloaded', overloaded],
    ['refused as wrong', refused - overloaded],
  ] as const;
  const bad = told.filter(([, count]) => count > 0).map(([what, count]) => `${shareText(count / requests)} ${what}`);
  return `${model}: ${countText(requests, 'request')}${bad.length === 0 ? '' : `, ${bad.join(', ')}`}`;
}

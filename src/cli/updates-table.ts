/** The steps of updates that were watched, deploys that nobody watched, other settings, and rollbacks, as a table. */
import type { UpdateBody } from '../api/index.ts';
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
      cell: ({ reason, by, settings, more_settings: more, versions }) => {
        return [settingsText(settings, more), askedText(reason, by), versions.map(judgedText).join('; ')]
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

/** `objective from p95<=50ms to p95<=20ms, late from serve to shed and 3 more`; nothing where there are none. */
export function settingsText(settings: UpdateBody['settings'], more: number): string {
  const told = settings.map(({ setting, from, to }) => `${setting} from ${from ?? 'none'} to ${to ?? 'none'}`).join(', ');
  return more === 0 ? told : `${told} and ${more} more`;
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

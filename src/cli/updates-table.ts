/** The steps of updates that were watched, deploys that nobody watched, and rollbacks, as a table. */
import type { UpdateBody } from '../api/index.ts';
import { table } from './table.ts';
import { countText, shareText, timeText } from './words.ts';

export function updatesText(updates: readonly UpdateBody[]): string {
  return table(updates, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'UPDATE', cell: ({ what }) => what },
    { title: 'FROM', cell: ({ from }) => from.join(' and ') },
    { title: 'TO', cell: ({ to }) => to.join(' and ') },
    { title: 'SHARE', cell: ({ share_percent: share }) => (share === null ? null : `${share} %`), align: 'right' },
    {
      title: 'WHY',
      cell: ({ reason, by, versions }) =>
        [reason, by === null ? null : `asked for by ${by}`, versions.map(judgedText).join('; ')]
          .filter((text) => (text ?? '') !== '')
          .join('; '),
    },
  ]);
}

function judgedText({ model, requests, late, failed, refused }: UpdateBody['versions'][number]): string {
  const told = [
    ['late', late],
    ['failed', failed],
    ['refused', refused],
  ] as const;
  const bad = told.filter(([, count]) => count > 0).map(([what, count]) => `${shareText(count / requests)} ${what}`);
  return `${model}: ${countText(requests, 'request')}${bad.length === 0 ? '' : `, ${bad.join(', ')}`}`;
}

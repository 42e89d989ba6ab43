/** A table of an endpoint's changes: steps of watched updates, unwatched deploys, changed settings and rollbacks. */
import type { UpdateBody } from '../../api/index.ts';
import { countText, shareText, timeText } from './format.ts';
import { settingsText, unchangedText } from './settings-text.ts';
import { table } from './table.ts';

/** `showsEndpoint`: includes a column with the endpoint of each update. */
export function updatesText(updates: readonly UpdateBody[], showsEndpoint = false): string {
  return table(updates, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (showsEndpoint ? endpoint : null) },
    { title: 'UPDATE', cell: ({ what }) => what },
    { title: 'FROM', cell: ({ from }) => from.join(' and ') },
    { title: 'TO', cell: ({ to }) => to.join(' and ') },
    { title: 'SHARE', cell: ({ share_percent: share }) => (share === null ? null : `${share} %`), align: 'right' },
    { title: 'WHY', cell: whyText },
  ]);
}

/** `digits/1 to digits/2, 20 %: requested by me`, for a line without columns. */
export function formatUpdate(update: UpdateBody): string {
  const { from, to, share_percent: share } = update;
  const versions = [from, to].map((models) => models.join(' and ')).filter((text) => text !== '');
  const head = `${versions.join(' to ')}${share === null ? '' : `, ${share} %`}`;
  const why = whyText(update);
  return why === '' ? head : `${head}: ${why}`;
}

function whyText(update: UpdateBody): string {
  const { reason, by, settings, more_settings: more, versions } = update;
  return [settingsText(settings, more), unchangedText(update), requestedByText(reason, by), versions.map(versionText).join('; ')]
    .filter((text) => text !== '')
    .join('; ');
}

function requestedByText(reason: string | null, by: string | null): string {
  if (by === null) return reason ?? '';
  return reason === null ? `requested by ${by}` : `${reason}, by ${by}`;
}

function versionText({ model, requests, late, failed, refused, overloaded }: UpdateBody['versions'][number]): string {
  const kinds = [
    ['late', late],
    ['failed', failed],
    ['rejected as overload', overloaded],
    ['rejected as invalid', refused - overloaded],
  ] as const;
  const bad = kinds.filter(([, count]) => count > 0).map(([what, count]) => `${shareText(count / requests)} ${what}`);
  return `${model}: ${countText(requests, 'request')}${bad.length === 0 ? '' : `, ${bad.join(', ')}`}`;
}

/** What a selection serves, for `describe` and `select`. */
import type { EndpointBody } from '../../api/index.ts';
import { countText, formatUsd, shareText, utcText } from './format.ts';
import { fields, table } from './table.ts';

export type ServedSelection = NonNullable<EndpointBody['selection']>;

/** The plans of an endpoint, with the rows that each answered. */
export function ladderText({ ladder, models }: ServedSelection): string {
  const plans = table(ladder, [
    { title: 'PLAN', cell: ({ plan }) => plan },
    { title: 'ACCURACY', cell: ({ accuracy }) => accuracy.toFixed(4), align: 'right' },
    { title: 'LOWER', cell: ({ lower }) => lower.toFixed(4), align: 'right' },
    { title: 'CERTIFIED', cell: ({ certified }) => (certified ? 'yes' : 'no') },
    { title: 'ROWS', cell: ({ rows }) => rows, align: 'right' },
    { title: 'SHARE', cell: ({ share }) => (share === null ? null : shareText(share)), align: 'right' },
    { title: 'WENT ON', cell: ({ escalated_now: now }) => (now === null || now === 0 ? null : shareText(now)), align: 'right' },
    { title: 'EXPECTED', cell: ({ escalated }) => (escalated === 0 ? null : shareText(escalated)), align: 'right' },
    { title: 'DISAGREES', cell: ({ disagreement_now: now }) => (now === null ? null : shareText(now)), align: 'right' },
    {
      title: 'EXPECTED',
      cell: ({ compared, disagreement }) => (compared === 0 || disagreement === null ? null : shareText(disagreement)),
      align: 'right',
    },
    {
      title: 'BY LABELS',
      cell: ({ labelled }) => (labelled === null ? null : `${labelled.accuracy.toFixed(4)} of ${labelled.rows.toLocaleString('en-US')}`),
      align: 'right',
    },
  ]);
  const answered = table(models, [
    { title: 'LOADED MODEL', cell: ({ model }) => model },
    { title: 'ROWS ANSWERED', cell: ({ rows }) => rows, align: 'right' },
    { title: 'COST', cell: ({ usd }) => formatUsd(usd), align: 'right' },
  ]);
  return `${plans}\n${answered}`;
}

/** How the plans were chosen. */
export function selectionFields(selection: ServedSelection): readonly (readonly [string, string | null])[] {
  const { floor, confidence, level, credit_rows: credit, certified_at: at, shadows, unloaded, challenger, labelled } = selection;
  const sure = confidence === null ? 'as measured' : `at ${confidence} %`;
  return [
    ['selection', `${selection.state}${floor === null ? '' : `, accuracy >= ${floor} ${sure}`}, decided ${utcText(selection.decided_at)}`],
    ['held', selection.held === null ? null : `since ${utcText(selection.held.at)}: ${selection.held.reason}`],
    ['why', selection.explanation],
    ['contract', selection.contract],
    ['floor plan', selection.floor_plan],
    ['top plan', selection.top_plan],
    ['evaluation', `${selection.evaluation}, ${selection.evaluation_rows} rows, sha256 ${selection.evaluation_sha256.slice(0, 12)}`],
    ['tests', level === null ? null : `${selection.chains} chains, the smallest level ${level.toPrecision(2)}`],
    ['certificates', at === null ? null : `all hold at ${percentDownText(at)}`],
    ['credit', credit === null ? null : `${credit.toFixed(1)} rows, for plans below the floor`],
    [
      'shadows',
      shadows.calls + shadows.dropped === 0
        ? null
        : `${countText(shadows.rows, 'row')} compared in ${shadows.seconds.toFixed(1)} s of idle time, ${countText(shadows.dropped, 'request')} dropped`,
    ],
    ['labels', labelled === null ? null : labelledText(labelled)],
    ['challenger', challenger === null ? null : challengerText(challenger)],
    [
      'not loaded',
      unloaded.map(({ model, worker_count: workers, reason }) => `${model} (${countText(workers, 'worker')}): ${reason}`).join('\n'),
    ],
    ['left out', selection.left_out.map(({ reason }) => reason).join('\n')],
  ];
}

function labelledText({ rows, accuracy, low, high, evidence_floor: evidence }: NonNullable<ServedSelection['labelled']>): string {
  const against = evidence === null ? '' : `; evidence against the floor ${evidenceText(evidence)} (100 holds)`;
  return `accuracy ${accuracy.toFixed(4)} of ${countText(rows, 'row')}, 95 %: ${low.toFixed(4)}…${high.toFixed(4)}${against}`;
}

function evidenceText(value: number): string {
  return value >= 1e6 ? '> 1,000,000' : Number(value.toPrecision(3)).toLocaleString('en-US');
}

function challengerText(challenger: NonNullable<ServedSelection['challenger']>): string {
  const { model, incumbent, rows, disagreed, better, worse, evidence_promote: promote, evidence_demote: demote } = challenger;
  const opponent = incumbent ?? 'what clients got';
  return [
    `${model} against ${opponent}: ${countText(rows, 'row')} in idle time, ${disagreed.toLocaleString('en-US')} answered otherwise`,
    `by labels right alone on ${better}, wrong alone on ${worse}: evidence ${evidenceText(promote)} to promote, ${evidenceText(demote)} to demote (20 decides)`,
  ].join('\n');
}

/** `penstock select` of an endpoint. */
export function servedSelectionText(name: string, selection: ServedSelection): string {
  return `${fields([['endpoint', name], ...selectionFields(selection)])}\n${ladderText(selection)}`;
}

/** `95 %`, `93.3 %`: rounded down, so that it says no more than is proven. */
function percentDownText(percent: number): string {
  return `${Math.floor(10 * percent + 1e-7) / 10} %`;
}

/** The tables of `npm run bench -- selection` in README.md. */
import type { SplitResult } from '../../test/selection/splits.ts';
import type { Machine } from '../machine.ts';
import type { AloneResult } from './alone.ts';
import type { ChoosingTime } from './choosing.ts';
import type { DriftRow } from './drift.ts';
import type { FleetKind, SelectionRow } from './fleets.ts';
import type { HeldBackFigures, HeldBackRow } from './held-back.ts';
import type { LiveFigures, LiveResult } from './live/live.ts';
import { lateMs } from './live/quiet-machine.ts';
import { type PublishedCell, type PublishedTable, publishedElastic, publishedFixed } from './published.ts';

export interface SelectionResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly splits: readonly SplitResult[];
  readonly choosing: readonly ChoosingTime[];
  readonly drift?: readonly DriftRow[];
  readonly fleets: readonly SelectionRow[];
  /** Loads that were not available, with the reason. */
  readonly missing: readonly string[];
  /** Null until it was measured. */
  readonly heldBack?: readonly HeldBackRow[];
  readonly alone?: AloneResult | null;
  readonly live?: LiveResult | null;
}

export function selectionTable({
  at,
  commit,
  machine,
  splits,
  choosing,
  drift = [],
  fleets,
  missing,
  heldBack = [],
  alone = null,
  live = null,
}: SelectionResults): string {
  const { cores, cpu, node } = machine;
  const of = (kind: FleetKind): SelectionRow[] => fleets.filter(({ fleet }) => fleet === kind);
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${cores} cores (${cpu}, Node ${node}).`,
    ...missing.map((why) => `Skipped: ${why}.`),
    'A floor of accuracy on rows that the plan was not chosen by: random splits of 10,000 Fashion-MNIST images, the cheapest plan that is certified, or that measures above the floor. "Broken": below the floor on the other rows.',
    splitsTable(splits),
    'Processor time of a choice, median; certificate, batch sizes, prices and ladder, in one thread.',
    table(
      ['', 'measured', 'target'],
      choosing.map(({ what, medianMs, targetMs }) => [what, time(medianMs), `<= ${time(targetMs)}`]),
    ),
    ...(drift.length === 0 ? [] : driftTexts(drift)),
    'A fixed fleet. Cells: in time, accuracy → right in time; in brackets the independent implementation.',
    fleetTable(of('fixed'), publishedFixed, ({ rightInTime }) => ` → ${percent(rightInTime, 1)}`),
    'An elastic fleet, `hpa:70`, instances ready in two minutes, at least one, functions with one request per call. Cells: in time, accuracy, $ per million; in brackets the independent implementation. Last: cost of `select+functions` by that of `always-best+functions`.',
    fleetTable(of('elastic'), publishedElastic, usd, ratio),
    'The same with full batches in calls of functions, as the server forms them; without a counterpart.',
    fleetTable(of('elastic, batched calls'), {}, usd, ratio),
    ...(heldBack.length === 0 ? [] : heldBackTexts(heldBack)),
    ...(alone === null ? [] : [aloneText(alone)]),
    ...(live === null ? [] : liveTexts(live)),
  ].join('\n\n');
}

function driftTexts(rows: readonly DriftRow[]): string[] {
  const rowsText = (count: number | null): string => (count === null ? '–' : count.toLocaleString('en-US'));
  const { runs = 0, rowsMax = 0 } = rows[0] ?? {};
  return [
    `Drift without labels: normal noise on the pixels (0 to 16) of real digits, answered by \`digits-mlp > digits-cnn @ 0.03\`, certified for 0.97; rows until the share of rows that go on raises the alarm, ${runs} runs of at most ${rowsMax.toLocaleString('en-US')} rows each. Wanted: at sigma 3 a median of at most 400 and a p90 of at most 500 rows, at sigma 0 no alarm.`,
    table(
      ['sigma', 'accuracy', 'go on', 'runs with an alarm', 'rows, median', 'rows, p90'],
      rows.map(({ sigma, accuracy, escalated, alarmed, medianRows, p90Rows }) => [
        String(sigma),
        accuracy.toFixed(4),
        percent(escalated, 1),
        percent(alarmed, 1),
        rowsText(medianRows),
        rowsText(p90Rows),
      ]),
    ),
  ];
}

function aloneText({ plan, rateRatio, cpuRatio, rateRatioOfEqual, cpuRatioOfEqual, instances }: AloneResult): string {
  const signed = (ratio: number): string => `${ratio >= 1 ? '+' : ''}${(100 * (ratio - 1)).toFixed(1)} %`;
  return (
    `digits-cnn at its real size, chosen by a selection (ladder: ${plan}; ${instances.selection} instance) against the same version deployed plainly (${instances.plain} instance): ` +
    `${signed(rateRatio)} requests per second, ${signed(cpuRatio)} CPU time of the server per request. A second plain endpoint against the first: ` +
    `${signed(rateRatioOfEqual)} and ${signed(cpuRatioOfEqual)}. Medians of pairs of turns of 100 ms.`
  );
}

function heldBackTexts(rows: readonly HeldBackRow[]): string[] {
  const fixed = ({ attainment, accuracy }: HeldBackFigures): string => `${percent(attainment, 2)}, ${accuracy.toFixed(4)}`;
  const elastic = (figures: HeldBackFigures): string => `${fixed(figures)}, $${figures.costUsdPerMillion.toFixed(4)}`;
  return [
    'Loads, seeds and splits that no rule was made by: ten minutes each, the elastic fleet and the fixed fleet (`instances`) of above. Last: cost of `select+functions` by that of `always-best+functions`, and the accuracy that it gives up, in points.',
    table(
      ['load', 'seed', 'instances', 'always-best', 'degrade', 'always-best+functions', 'select+functions', 'cost', 'loss'],
      rows.map((row) => [
        `${row.family}, ${row.load}`,
        String(row.seed),
        String(row.instances),
        fixed(row.fixedBest),
        fixed(row.degrade),
        elastic(row.best),
        elastic(row.select),
        (row.select.costUsdPerMillion / row.best.costUsdPerMillion).toFixed(2),
        (100 * (row.best.accuracy - row.select.accuracy)).toFixed(2),
      ]),
    ),
  ];
}

function liveTexts({ load, seconds, live, simulated, p50Ms, p95Ms, coldMs, machine, otherPlans, firstFailure }: LiveResult): string[] {
  const shares = (figures: LiveFigures): string =>
    Object.entries(figures.shares)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([plan, share]) => `${plan} ${percent(share, 1)}`)
      .join(', ');
  const row = (what: string, target: string, of: (figures: LiveFigures) => string, difference: string): string[] => [
    what,
    of(live),
    of(simulated),
    difference,
    target,
  ];
  const points = (of: (figures: LiveFigures) => number): string => `${(100 * (of(live) - of(simulated))).toFixed(2)} points`;
  const cost = live.usdPerMillion / simulated.usdPerMillion - 1;
  return [
    `The same live: ${seconds} seconds of ${load}, digits models whose runs sleep for 200 times the measured time, \`hpa:70\` with instances ready after 5 s, full batches in calls of functions (cold start ${coldMs.toFixed(0)} ms), on a server and in the simulator with the same requests at the same times. Live latency: p50 ${p50Ms.toFixed(1)} ms, p95 ${p95Ms.toFixed(1)} ms; the generator sent a request at most ${machine.sentLateMs.toFixed(0)} ms late, ${percent(machine.lateShare, 2)} of them by more than ${lateMs} ms; ${percent(machine.busyBefore, 1)} of the processors were in use before and ${percent(machine.busyAfter, 1)} after, while the endpoint was idle.${firstFailure === null ? '' : ` First failure: ${firstFailure}.`}${otherPlans.length === 0 ? '' : ` Plans of only one of them: ${otherPlans.join(', ')}.`}`,
    table(
      ['', 'live', 'simulated', 'difference', 'target'],
      [
        row('requests', '', ({ requests }) => requests.toLocaleString('en-US'), ''),
        row('failed', '0', ({ failed }) => String(failed), ''),
        row(
          'in time',
          '',
          ({ inTime }) => percent(inTime, 2),
          points(({ inTime }) => inTime),
        ),
        row(
          'accuracy',
          '± 0.3 points',
          ({ accuracy }) => accuracy.toFixed(4),
          points(({ accuracy }) => accuracy),
        ),
        row('$ per million', '± 10 %', ({ usdPerMillion }) => usdPerMillion.toFixed(4), percent(cost, 1)),
        row(
          'answered by functions',
          '',
          ({ functionShare }) => percent(functionShare, 2),
          points(({ functionShare }) => functionShare),
        ),
        row('rows by plan', '', shares, ''),
      ],
    ),
  ];
}

function splitsTable(splits: readonly SplitResult[]): string {
  const share = (value: number): string => percent(value, 1);
  return table(
    [
      'floor',
      'rows',
      'splits',
      'seed',
      'certified: broken',
      'any certified plan: broken',
      'nothing certified',
      'measured only: broken',
      'work, certified',
      'work, measured only',
    ],
    splits.map((each) => [
      each.floor.toFixed(2),
      each.rows.toLocaleString('en-US'),
      String(each.splits),
      String(each.seed),
      share(each.certifiedBroken),
      share(each.anyCertifiedBroken),
      share(each.nothingCertified),
      share(each.measuredBroken),
      each.certifiedCost.toFixed(3),
      each.measuredCost.toFixed(3),
    ]),
  );
}

function usd({ costUsdPerMillion }: SelectionRow): string {
  return `, $${costUsdPerMillion.toFixed(4)}`;
}

function ratio(rows: readonly SelectionRow[]): string {
  const cost = (policy: string): number => rows.find((row) => row.policy === policy)?.costUsdPerMillion ?? Number.NaN;
  return (cost('select+functions') / cost('always-best+functions')).toFixed(2);
}

function fleetTable(
  rows: readonly SelectionRow[],
  published: PublishedTable,
  more: (row: SelectionRow) => string,
  last?: (rows: readonly SelectionRow[]) => string,
): string {
  const policies = [...new Set(rows.map(({ policy }) => policy))];
  const loads = Map.groupBy(rows, ({ family, load }) => `${family}, ${load}`);
  const lines = [...loads].map(([load, found]) => [
    load,
    ...found.map((row) => {
      const here = `${percent(row.attainment, 2)}, ${row.accuracy.toFixed(4)}${more(row)}`;
      const there = published[load]?.[row.policy];
      return there === undefined ? here : `${here} (${publishedText(there)})`;
    }),
    ...(last === undefined ? [] : [last(found)]),
  ]);
  return table(['load', ...policies, ...(last === undefined ? [] : ['cost'])], lines);
}

function publishedText([inTime, accuracy, cost]: PublishedCell): string {
  return `${inTime} %, ${accuracy}${cost === undefined ? '' : `, $${cost}`}`;
}

function percent(share: number, digits: number): string {
  return `${(100 * share).toFixed(digits)} %`;
}

function time(ms: number): string {
  return ms < 0.1 ? `${(1000 * ms).toFixed(1)} us` : `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

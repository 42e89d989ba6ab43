/** `penstock select`: which model, or cascade of two, should serve, and why. Deploys nothing. */
import { type Command, Option } from 'commander';
import type { EndpointBody, SelectionPlanBody } from '../../../api/index.ts';
import { instanceTypeDefault } from '../../../fields/index.ts';
import { formatObjective, parseObjective } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { pathSegment } from '../../client/client.ts';
import { parsedAccuracy, positiveNumber } from '../../options/parsed-values.ts';
import { parseBudget, parseConfidence } from '../../options/selection-options.ts';
import { countText, formatMsText, formatUsd } from '../../output/format.ts';
import { servedSelectionText } from '../../output/format-selection.ts';
import { fields, table } from '../../output/table.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb } from '../../verb.ts';

interface SelectOptions extends CommonOptions {
  readonly set?: string;
  readonly accuracy?: number;
  readonly maximize?: 'accuracy';
  readonly budget?: number;
  readonly confidence: number | null;
  readonly objective?: string;
  readonly rate: number;
  readonly instanceType: string;
  readonly now: boolean;
  readonly release: boolean;
}

export function addSelect(program: Command, context: CliContext): void {
  verb(
    program,
    context,
    'select <models|endpoint...>',
    'choose the model, or the cascade of two, for an accuracy or a budget, or show what an endpoint serves',
  )
    .with((command) =>
      command
        .option('--set <name>', 'evaluation set that the models have answered (see `penstock evaluate`)')
        .option('--accuracy <floor>', "the accuracy to keep, such as '>=0.97' or '>=97%': chooses the cheapest plan", parsedAccuracy)
        .addOption(new Option('--maximize <what>', 'choose the most accurate plan within --budget').choices(['accuracy']))
        .option('--budget <cost>', "cost limit, such as '$0.20/h'", parsedBy(parseBudget))
        .option(
          '--confidence <percent>',
          'how sure no certified plan is below the floor; none: take measured accuracies for true',
          parsedBy(parseConfidence),
          95,
        )
        .option(
          '--objective <objective>',
          "latency objective such as 'p95<=50ms'",
          parsedBy((text) => formatObjective(parseObjective(text))),
        )
        .option('--rate <rows>', 'expected rows per second', positiveNumber, 100)
        .option('--instance-type <type>', 'instance type', instanceTypeDefault)
        .option('--now', 'of an endpoint: choose its plans again', false)
        .option('--release', 'of an endpoint: end a hold, and choose its plans again', false),
    )
    .runs(async (session, options: SelectOptions, models: readonly string[]) => {
      const { set, accuracy, objective, maximize, budget } = options;
      const [endpoint, ...others] = models;
      if (set === undefined && accuracy === undefined && maximize === undefined && endpoint !== undefined && others.length === 0)
        return showServed(session, endpoint, options);
      if (set === undefined || objective === undefined || (accuracy === undefined && maximize === undefined)) {
        throw new CliError(
          "missing arguments: expected --set NAME, --objective 'p95<=50ms', and --accuracy '>=0.97' or --maximize accuracy --budget '$0.20/h'",
          2,
        );
      }
      const client = await session.client();
      const plan = await client.post<SelectionPlanBody>('/plan/selection', {
        json: {
          models,
          set,
          floor: accuracy ?? null,
          maximize: maximize ?? null,
          budget_usd_per_hour: budget ?? null,
          confidence: options.confidence,
          objective,
          rate_per_second: options.rate,
          instance_type: options.instanceType,
        },
      });
      session.print(plan, selectionText(plan));
      return plan.floor_plan === null ? 1 : 0;
    });
}

/** The plans that an endpoint serves, and what each answered. */
async function showServed(session: VerbSession, endpoint: string, { now, release }: SelectOptions): Promise<number> {
  const client = await session.client();
  const path = `/endpoints/${pathSegment(endpoint)}`;
  const view =
    now || release
      ? await client.post<EndpointBody>(`${path}/selection/decide`, release ? { query: { release: true } } : {})
      : await client.get<EndpointBody>(path);
  if (view.selection === null) throw new CliError(`endpoint ${view.name} serves versions, not a selection: deploy it with --select`);
  session.print(view, servedSelectionText(view.name, view.selection));
  return 0;
}

/** The choice, its proof, and why other plans were not chosen. */
export function selectionText(plan: SelectionPlanBody): string {
  const { predicted, level } = plan;
  const head = fields([
    ['state', plan.state],
    ['floor plan', plan.floor_plan],
    ['top plan', plan.top_plan],
    ['set', `${plan.set.name}, ${plan.set.rows} rows, sha256 ${plan.set.sha256.slice(0, 12)}`],
    ['used', `answered by ${countText(plan.set.models, 'model')}, for ${countText(plan.set.choices, 'choice')} of plans`],
    ['tests', level === null ? null : `${plan.chains} chains, each at ${level.toPrecision(2)}`],
    [
      'predicted',
      predicted === null
        ? null
        : `p95 ${formatMsText(predicted.p95_ms)}, ${predicted.instances} x instance, ${formatUsd(predicted.usd_per_hour)}/h, ${formatUsd(predicted.usd_per_million)} per million rows`,
    ],
  ]);
  const rows = table(plan.plans, [
    { title: 'PLAN', cell: ({ plan: name }) => name },
    { title: 'ACCURACY', cell: ({ accuracy }) => accuracy.toFixed(4), align: 'right' },
    { title: 'LOWER', cell: ({ lower }) => lower.toFixed(4), align: 'right' },
    { title: 'GO ON', cell: ({ escalated }) => (escalated === 0 ? '' : `${(100 * escalated).toFixed(1)} %`), align: 'right' },
    { title: 'ROWS/S', cell: ({ rows_per_second: rate }) => Math.round(rate), align: 'right' },
    { title: '$/H', cell: ({ usd_per_hour: usd }) => usd.toFixed(4), align: 'right' },
    { title: 'WHY NOT', cell: ({ rejected }) => rejected ?? 'on the ladder' },
  ]);
  return `${head}\n${plan.explanation}\n\n${rows}`;
}

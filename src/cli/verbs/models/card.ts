/** `penstock card`: where a model comes from, what was measured of it, and where it serves. */
import type { Command } from 'commander';
import type { CardBody, QualityBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { nameFor, readSource, registerSource, versionUrlPath } from '../../models/model-source.ts';
import { countText, formatMsText, pairsText, timeText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { fields, table } from '../../output/table.ts';
import { type CommonOptions, verb } from '../../verb.ts';

interface CardOptions extends CommonOptions {
  readonly classes: boolean;
}

/** Classes that are shown without `--classes`: those with the lowest F1. */
const classesShown = 3;

export function addCard(program: Command, context: CliContext): void {
  verb(program, context, 'card <model>', 'show the card of a model version: provenance, evaluations, service times, endpoints')
    .with((command) => command.option('--classes', 'show the figures of every class', false))
    .runs(async (session, options: CardOptions, model: string) => {
      const client = await session.client();
      const source = await readSource(model, { registersOnly: false });
      const { version } = await registerSource(client, new Progress(session.context), source, nameFor(source), { reuse: true });
      const card = await client.get<CardBody>(`${versionUrlPath(version.name)}/card`);
      session.print(card, cardText(card, options.classes));
      return 0;
    });
}

/** The card as text, with all classes or those with the lowest F1. */
export function cardText({ version, claimed, evaluations, profiles, endpoints }: CardBody, allClasses: boolean): string {
  const by = version.approval_changed_by === null ? '' : ` by ${version.approval_changed_by}`;
  const head = fields([
    ['model', version.name],
    ['description', version.description],
    ['approval', `${version.approval}${by}`],
    ['source', `${version.source_name}, sha256 ${version.source_sha256.slice(0, 12)}`],
    ['registered', `${timeText(version.created_at)} UTC by ${version.created_by}`],
    ['metadata', pairsText(version.metadata)],
    ['claimed', Object.keys(claimed).length === 0 ? null : `${pairsText(claimed)} (typed in, not measured here)`],
    ['service', profiles.map(({ executor, service }) => `${executor} ${formatMsText(service[0]?.p95_ms ?? 0)} p95 of one row`).join(', ')],
    ['serves', endpoints.map(servesText).join(', ')],
  ]);
  const none = `not evaluated yet: run \`penstock evaluate ${version.name} --data FILE --label COLUMN\`\n`;
  return `${head}${evaluations.length === 0 ? none : ''}${evaluations.map((each) => evaluationText(each, allClasses)).join('')}`;
}

function servesText({ endpoint, plans, labelled_rows: rows, accuracy }: CardBody['endpoints'][number]): string {
  const served = plans === null ? endpoint : `${endpoint} in ${countText(plans.length, 'plan')}`;
  return accuracy === null ? served : `${served} (accuracy ${accuracy.toFixed(4)} over ${countText(rows, 'labelled row')})`;
}

function evaluationText({ set, quality, notes, evaluated_at: at }: CardBody['evaluations'][number], allClasses: boolean): string {
  const used = set.models === 1 ? 'only by this model' : `by ${countText(set.models, 'model')}`;
  const choices = set.choices === 0 ? '' : `, used for ${countText(set.choices, 'choice')} of plans`;
  const title = `\nevaluated on ${set.name}: ${countText(set.rows, 'row')}, sha256 ${set.sha256.slice(0, 12)}, answered ${used}${choices}; ${timeText(at)} UTC\n`;
  const lines = notes.map((note) => `${note}\n`).join('');
  return quality.kind === 'values' ? `${title}${valuesText(quality)}${lines}` : `${title}${classesText(quality, allClasses)}${lines}`;
}

function valuesText({ rmse, rmse_low: low, rmse_high: high, mae }: Extract<QualityBody, { kind: 'values' }>): string {
  return fields([
    ['rmse', `${rmse.toPrecision(5)} (95 %: ${low.toPrecision(5)}…${high.toPrecision(5)})`],
    ['mae', mae.toPrecision(5)],
  ]);
}

function classesText(quality: Extract<QualityBody, { kind: 'classes' }>, allClasses: boolean): string {
  const { per_class: all, calibration_error: calibration, log_loss: loss } = quality;
  const head = fields([
    [
      'accuracy',
      `${quality.accuracy.toFixed(4)} (95 %: ${quality.low.toFixed(4)}…${quality.high.toFixed(4)}), ${countText(quality.errors, 'error')}`,
    ],
    ['macro F1', `${quality.macro_f1.toFixed(4)} (95 %: ${quality.macro_f1_low.toFixed(4)}…${quality.macro_f1_high.toFixed(4)})`],
    ['calibration', calibration === null ? null : `error ${calibration.toFixed(4)}`],
    ['log-loss', loss?.toFixed(4)],
  ]);
  const worst = all.toSorted((a, b) => a.f1 - b.f1).slice(0, classesShown);
  const rows = table(allClasses ? all : worst, [
    { title: 'CLASS', cell: (each) => each.class },
    { title: 'ROWS', cell: ({ rows: count }) => count, align: 'right' },
    { title: 'PRECISION', cell: ({ precision }) => precision.toFixed(4), align: 'right' },
    { title: 'RECALL', cell: ({ recall }) => recall.toFixed(4), align: 'right' },
    { title: '95 %', cell: ({ recall_low: low, recall_high: high }) => `${low.toFixed(4)}…${high.toFixed(4)}` },
    { title: 'F1', cell: ({ f1 }) => f1.toFixed(4), align: 'right' },
  ]);
  const more =
    allClasses || all.length <= worst.length
      ? ''
      : `the ${worst.length} classes with the lowest F1 of ${all.length}; --classes shows all\n`;
  return `${head}${rows}${more}`;
}

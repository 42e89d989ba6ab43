/** `penstock drift`, `penstock baseline`, `penstock labels`: whether inputs resemble the baseline, and how accurate predictions were. */
import { type Command, Option } from 'commander';
import type { BaselineBody, DriftBody, LabelsBody, ToLabelBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { pathSegment } from '../../client/client.ts';
import { readRows } from '../../models/rows-file.ts';
import { countText, utcText } from '../../output/format.ts';
import { fields, table } from '../../output/table.ts';
import { type CommonOptions, verb, wholeNumber } from '../../verb.ts';

interface DriftOptions extends CommonOptions {
  readonly limit: number;
  readonly toLabel?: number;
}

interface BaselineOptions extends CommonOptions {
  readonly file?: string;
  readonly type?: string;
  readonly label?: string;
  readonly from?: string;
  readonly to?: string;
  readonly sample: boolean;
  readonly remove: boolean;
}

interface LabelsOptions extends CommonOptions {
  readonly file: string;
}

export function addDrift(program: Command, context: CliContext): void {
  verb(program, context, 'drift <endpoint>', "compare an endpoint's inputs with its baseline, and show the accuracy of its predictions")
    .with((command) =>
      command
        .option('--limit <number>', 'maximum number of features, drifted ones first', wholeNumber(1, 1000), 20)
        .option(
          '--to-label <number>',
          'instead: the calls that are worth a label, as JSON lines: those on which plans of a selection disagree, then the least sure',
          wholeNumber(1, 1000),
        ),
    )
    .runs(async (session, { limit, toLabel }: DriftOptions, endpoint: string) => {
      const client = await session.client();
      if (toLabel !== undefined) {
        const calls = await client.get<ToLabelBody>(`/endpoints/${pathSegment(endpoint)}/to-label`, { query: { limit: toLabel } });
        session.print(calls, calls.items.map((call) => `${JSON.stringify(call)}\n`).join(''));
        return 0;
      }
      const view = await client.get<DriftBody>(`/endpoints/${pathSegment(endpoint)}/drift`);
      session.print(view, driftText(view, limit));
      return 0;
    });
}

export function addBaseline(program: Command, context: CliContext): void {
  verb(program, context, 'baseline <endpoint>', "set an endpoint's baseline (default: the rows of the last hour)")
    .with((command) =>
      command
        .option('--file <file>', 'rows: JSON, CSV or npy, by its extension; - reads from stdin')
        .option('--type <content-type>', 'content type of the file (default: by extension)')
        .option('--label <column>', 'a CSV column that holds the label, not an input')
        .option('--from <time>', 'use rows captured from this time on, such as 2026-11-24T08:00:00Z')
        .option('--to <time>', 'end of the captured rows (default: now)')
        .option('--sample', "use the model's registered sample: rows of the catalogue, or the sample payload of its package", false)
        .option('--remove', 'remove the baseline and stop drift detection', false),
    )
    .runs(async (session, options: BaselineOptions, endpoint: string) => {
      const { file, from, to, label, sample, remove } = options;
      const isSpan = from !== undefined || to !== undefined;
      if (Number(file !== undefined) + Number(isSpan) + Number(sample) + Number(remove) > 1) {
        throw new CliError('conflicting options: expected only one of --file, --from with --to, --sample and --remove', 2);
      }
      const client = await session.client();
      const path = `/endpoints/${pathSegment(endpoint)}/baseline`;
      if (remove) {
        await client.delete(path);
        session.print({ endpoint, baseline: null }, `the baseline of ${endpoint} was removed\n`);
        return 0;
      }
      const provided =
        file === undefined
          ? { json: sample ? { sample: 'registration' } : { from, to } }
          : { query: { label }, ...(await readRows(file, options.type, context.stdin)) };
      const baseline = await client.post<BaselineBody>(path, provided);
      const { rows, source, features } = baseline;
      const text = `${endpoint}: the baseline is ${countText(rows, 'row')} of ${countText(features.length, 'feature')} (${source})`;
      session.print(baseline, `${text}; see \`penstock drift ${endpoint}\`\n`);
      return 0;
    });
}

export function addLabels(program: Command, context: CliContext): void {
  verb(program, context, 'labels <endpoint>', 'upload ground-truth labels, by inference id')
    .with((command) =>
      command.addOption(
        new Option('--file <file>', 'JSON lines: {"inference_id": "...", "label": 7}; - reads from stdin').makeOptionMandatory(),
      ),
    )
    .runs(async (session, { file }: LabelsOptions, endpoint: string) => {
      const rows = await readRows(file, 'application/jsonlines', context.stdin);
      const taken = await (await session.client()).post<LabelsBody>(`/endpoints/${pathSegment(endpoint)}/labels`, rows);
      session.print(taken, labelsText(taken, endpoint));
      return taken.matched === 0 ? 1 : 0;
    });
}

/** The column of missing values is left out if no value is missing. */
function driftText(view: DriftBody, limit: number): string {
  const { baseline, quality } = view;
  const share = quality.accuracy === null ? null : `${(100 * quality.accuracy).toFixed(1)} % accuracy`;
  const error = quality.mean_absolute_error === null ? null : `${quality.mean_absolute_error.toPrecision(4)} mean absolute error`;
  const judged = [share, error].filter((each) => each !== null).join(', ');
  const head = fields([
    ['endpoint', view.endpoint],
    ['baseline', baseline === null ? 'none' : `${baseline.rows} rows (${baseline.source}), ${utcText(baseline.made_at)}`],
    ['window', `${view.window_minutes} min: ${countText(view.rows_seen, 'row')}, a sample of ${view.rows_sampled}`],
    ['drifted', view.reason ?? `${view.drifted} of ${countText(view.features.length, 'feature')}`],
    ['labels', judged === '' ? null : `${judged}, from ${countText(quality.labelled_rows, 'row')}`],
    ['unknown', view.unknown_features.slice(0, 5).join(', ')],
  ]);
  if (view.features.length === 0) return head;
  const spread = (values: readonly number[] | null) => values?.map(numberText).join(' … ') ?? 'nothing';
  const isComplete = view.features.every(({ missing }) => missing.now === 0 && (missing.baseline ?? 0) === 0);
  return `${head}\n${table(view.features.slice(0, limit), [
    { title: 'FEATURE', cell: ({ name, column }) => (column === null || column === name ? name : `${name} ${column}`) },
    { title: 'DRIFTED', cell: ({ drifted }) => (drifted ? 'yes' : 'no') },
    { title: 'PSI', cell: ({ psi }) => psi.toFixed(3), align: 'right' },
    { title: 'P-VALUE', cell: ({ p_value }) => (p_value < 1e-4 ? '<0.0001' : p_value.toFixed(4)), align: 'right' },
    { title: 'BASELINE P5 P50 P95', cell: (feature) => spread(feature.baseline) },
    { title: 'NOW', cell: (feature) => spread(feature.now) },
    ...(isComplete
      ? []
      : [{ title: 'MISSING', cell: ({ missing }: Feature) => `${percentText(missing.baseline)} … ${percentText(missing.now)}` }]),
  ])}`;
}

type Feature = DriftBody['features'][number];

function percentText(share: number | null): string {
  return share === null ? '?' : `${(100 * share).toFixed(share === 0 || share === 1 ? 0 : 1)} %`;
}

function numberText(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

/** Shows a few of the ids that did not match, to find the mistake by. */
function labelsText({ matched, unknown, mismatched, unknown_ids, mismatched_ids }: LabelsBody, endpoint: string): string {
  const unmatched = unknown === 0 ? '' : `; ${unknown} match no prediction (${unknown_ids.slice(0, 3).join(', ')})`;
  const misfits = mismatched === 0 ? '' : `; ${mismatched} do not fit what was predicted (${mismatched_ids.slice(0, 3).join(', ')})`;
  return `${countText(matched, 'label')} accepted${unmatched}${misfits}; see \`penstock drift ${endpoint}\`\n`;
}

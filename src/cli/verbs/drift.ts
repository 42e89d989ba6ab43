/** `penstock drift`, `penstock baseline`, `penstock labels`: whether what comes looks as usual, and how good the answers were. */
import { type Command, Option } from 'commander';
import type { BaselineBody, DriftBody, LabelsBody } from '../../api/index.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { readRows } from '../rows-file.ts';
import { fields, table } from '../table.ts';
import { type CommonOptions, verb, wholeNumber } from '../verb.ts';
import { countText, utcText } from '../words.ts';

interface DriftOptions extends CommonOptions {
  readonly limit: number;
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

export function addDrift(program: Command, doors: Doors): void {
  verb(program, doors, 'drift <endpoint>', 'show whether what comes to an endpoint looks like its baseline, and how good its answers were')
    .with((command) => command.option('--limit <number>', 'how many features, those that drifted first', wholeNumber(1, 1000), 20))
    .runs(async (session, { limit }: DriftOptions, endpoint: string) => {
      const view = await (await session.client()).get<DriftBody>(`/endpoints/${part(endpoint)}/drift`);
      session.print(view, driftText(view, limit));
      return 0;
    });
}

export function addBaseline(program: Command, doors: Doors): void {
  verb(program, doors, 'baseline <endpoint>', 'say what usually comes to an endpoint (default: the rows of the last hour)')
    .with((command) =>
      command
        .option('--file <file>', 'rows: JSON, CSV or npy, by its extension; - reads from stdin')
        .option('--type <content-type>', 'what the file is, where its extension does not say')
        .option('--label <column>', 'a column of the CSV that is the answer, not an input')
        .option('--from <time>', 'what was captured since then, such as 2026-11-24T08:00:00Z')
        .option('--to <time>', 'and until then (default: now)')
        .option('--sample', 'what the model was registered with: rows of the catalogue, or the sample payload of its package', false)
        .option('--remove', 'look for drift no more', false),
    )
    .runs(async (session, options: BaselineOptions, endpoint: string) => {
      const { file, from, to, label, sample, remove } = options;
      const isSpan = from !== undefined || to !== undefined;
      if (Number(file !== undefined) + Number(isSpan) + Number(sample) + Number(remove) > 1) {
        throw new Failure('give one of --file, --from with --to, --sample, or --remove', 2);
      }
      const client = await session.client();
      const path = `/endpoints/${part(endpoint)}/baseline`;
      if (remove) {
        await client.delete(path);
        session.print({ endpoint, baseline: null }, `${endpoint} has no baseline any more\n`);
        return 0;
      }
      const given =
        file === undefined
          ? { json: sample ? { sample: 'registration' } : { from, to } }
          : { query: { label }, ...(await readRows(file, options.type, doors.stdin)) };
      const baseline = await client.post<BaselineBody>(path, given);
      const { rows, source, features } = baseline;
      const text = `${endpoint}: the baseline is ${countText(rows, 'row')} of ${countText(features.length, 'feature')} (${source})`;
      session.print(baseline, `${text}; see \`penstock drift ${endpoint}\`\n`);
      return 0;
    });
}

export function addLabels(program: Command, doors: Doors): void {
  verb(program, doors, 'labels <endpoint>', 'tell what was true, by inference id')
    .with((command) =>
      command.addOption(
        new Option('--file <file>', 'a line each: {"inference_id": "...", "label": 7}; - reads from stdin').makeOptionMandatory(),
      ),
    )
    .runs(async (session, { file }: LabelsOptions, endpoint: string) => {
      const rows = await readRows(file, 'application/jsonlines', doors.stdin);
      const taken = await (await session.client()).post<LabelsBody>(`/endpoints/${part(endpoint)}/labels`, rows);
      session.print(taken, labelsText(taken, endpoint));
      return taken.matched === 0 ? 1 : 0;
    });
}

function driftText(view: DriftBody, limit: number): string {
  const { baseline, quality } = view;
  const share = quality.accuracy === null ? null : `${(100 * quality.accuracy).toFixed(1)} % right`;
  const error = quality.mean_absolute_error === null ? null : `${quality.mean_absolute_error.toPrecision(4)} mean absolute error`;
  const judged = [share, error].filter((each) => each !== null).join(', ');
  const head = fields([
    ['endpoint', view.endpoint],
    ['baseline', baseline === null ? 'none' : `${baseline.rows} rows (${baseline.source}), ${utcText(baseline.made_at)}`],
    ['window', `${view.window_minutes} min: ${countText(view.rows_seen, 'row')}, a sample of ${view.rows_sampled}`],
    ['drifted', view.reason ?? `${view.drifted} of ${countText(view.features.length, 'feature')}`],
    ['labels', judged === '' ? null : `${judged}, by ${countText(quality.labelled_rows, 'row')}`],
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

function labelsText({ matched, unknown, misfit, unknown_ids, misfit_ids }: LabelsBody, endpoint: string): string {
  const lost = unknown === 0 ? '' : `; ${unknown} found no prediction (${unknown_ids.slice(0, 3).join(', ')})`;
  const wrong = misfit === 0 ? '' : `; ${misfit} do not fit what was predicted (${misfit_ids.slice(0, 3).join(', ')})`;
  return `${countText(matched, 'label')} taken${lost}${wrong}; see \`penstock drift ${endpoint}\`\n`;
}

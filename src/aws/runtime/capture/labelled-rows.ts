/** Captured calls with their labels as rows of CSV, to train with. */

import type { Clock } from '../../../clock.ts';
import { cutRows, type ModelPlan, predictionsCsv, type RowInvocation } from '../../../codecs/index.ts';
import {
  type CaptureConfig,
  captureDefault,
  type GroundTruth,
  labelledCalls,
  parseCaptureDestination,
} from '../../../data-quality/index.ts';
import type { Deployments } from '../../../deployment/index.ts';
import { PlatformError } from '../../../errors.ts';
import { sameName } from '../../../names.ts';
import type { Serving } from '../../../serving/index.ts';
import { elementCount, encodeStrings, type Tensor, type TensorSpec } from '../../../tensor.ts';
import { nextTurn, type Threads } from '../../../threads/index.ts';
import type { S3Store } from '../../s3/objects/store.ts';
import { capturedInvocations, capturedPlan, captureReader } from './captured-bodies.ts';

/** Which calls become rows. */
export interface LabelledRowsQuery {
  readonly endpoint: string;
  /** Only calls of this many last milliseconds; null: all whose labels are stored. */
  readonly sinceMs: number | null;
  readonly rowsMax: number;
}

interface Deps {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly serving: Pick<Serving, 'routeToVariant'>;
  readonly s3: S3Store;
  readonly threads: Threads;
}

type Truth = Pick<GroundTruth, 'labelsOf' | 'quality'>;

/** Labels are not stored for longer. */
const spanMs = 90 * 86_400_000;
const bytesMax = 2 ** 30;
/** Formatting this many values takes a few milliseconds. */
const valuesPerSlice = 50_000;

/** Throws `not_found` if there is no such endpoint. */
export function expectCapturing(
  { deployments }: Pick<Deps, 'deployments'>,
  endpoint: string,
): { readonly name: string; readonly capture: CaptureConfig } {
  const found = deployments.list().find(({ config }) => sameName(config.name, endpoint));
  if (found === undefined) throw new PlatformError('not_found', `there is no endpoint '${endpoint}', whose captured calls are the data`);
  return { name: found.config.name, capture: found.config.capture ?? captureDefault };
}

/**
 * A header of the model's inputs and the label, then a line per row, the newest files first; at most `rowsMax` rows and 1 GiB. Calls that
 * the model of their variant does not take, or that have other columns than the first one, are left out. Throws `not_found` if there is no
 * row.
 */
export async function* labelledRows(deps: Deps, truth: Truth, { endpoint, sinceMs, rowsMax }: LabelledRowsQuery): AsyncGenerator<Buffer> {
  const { name, capture } = expectCapturing(deps, endpoint);
  const toMs = deps.clock.wallMs() + 1;
  const fromMs = toMs - Math.min(sinceMs ?? spanMs, spanMs);
  const span = { ...parseCaptureDestination(capture.to), endpoint: name, fromMs, toMs };
  const plans = new Map<string, ModelPlan | null>();
  let [header, rows, bytes, skipped] = ['', 0, 0, 0];
  for await (const call of labelledCalls(captureReader(deps.s3), span, (ids) => truth.labelsOf(name, ids))) {
    let plan = plans.get(call.variant);
    if (plan === undefined) plans.set(call.variant, (plan = capturedPlan(deps.serving, name, call.variant)));
    const invocations = plan === null ? [] : await capturedInvocations(deps.threads, plan, call.contentType, call.body);
    const labelled = plan === null ? null : withLabels(invocations, plan.signature.inputs, call.labels.map(String));
    const columns = labelled === null ? null : headerLine(labelled);
    if (labelled === null || columns === null || (header !== '' && columns !== header)) {
      skipped++;
      continue;
    }
    if (rows + call.labels.length > rowsMax) {
      if (rows > 0) return;
      throw new PlatformError(
        'invalid_request',
        `the last labelled call of endpoint '${name}' has more than ${rowsMax} rows: raise rowsMax`,
      );
    }
    if (header === '') yield Buffer.from((header = columns));
    for (const { inputs, rows: count } of labelled) {
      const lines = Buffer.from(predictionsCsv(inputs, count));
      bytes += lines.length;
      if (bytes > bytesMax) return;
      yield lines;
      await nextTurn();
    }
    rows += call.labels.length;
  }
  if (rows === 0) throw await noRows(truth, name, new Date(fromMs), skipped);
}

/** The invocations with the label as their last column, in slices; null if there is not one label per row. */
function withLabels(
  invocations: readonly Pick<RowInvocation, 'inputs' | 'rows'>[],
  specs: readonly TensorSpec[],
  labels: readonly string[],
): RowInvocation[] | null {
  if (invocations.reduce((sum, { rows }) => sum + rows, 0) !== labels.length || labels.length === 0) return null;
  const label = labelName(specs);
  let at = 0;
  return invocations.flatMap(({ inputs, rows }) => {
    const own = encodeStrings(labels.slice(at, (at += rows)));
    const whole = { inputs: [...inputs, { name: label, datatype: 'BYTES' as const, shape: [rows], data: own }], rows };
    const perRow = inputs.reduce((sum, { shape }) => sum + elementCount(shape), 0) / rows;
    return cutRows(whole, [...specs, { name: label, datatype: 'BYTES', shape: [-1] }], Math.max(1, Math.floor(valuesPerSlice / perRow)));
  });
}

/** `label`, unless an input has that name. */
function labelName(specs: readonly TensorSpec[]): string {
  let name = 'label';
  while (specs.some((spec) => sameName(spec.name, name))) name = `true_${name}`;
  return name;
}

/** `x[0],x[1],label`; null if the values do not belong to rows, or if the parts differ. */
function headerLine(parts: readonly RowInvocation[]): string | null {
  const [first, ...others] = parts.map(({ inputs, rows }) => {
    const isByRow = rows === 1 || inputs.every(({ shape }) => shape[0] === rows);
    return isByRow ? inputs.flatMap((input) => columnNames(input, rows)).join(',') : null;
  });
  return first === undefined || first === null || others.some((other) => other !== first) ? null : `${first}\n`;
}

function columnNames({ name, shape }: Tensor, rows: number): string[] {
  const width = elementCount(shape) / rows;
  const names = width === 1 && shape.length <= 1 ? [name] : Array.from({ length: width }, (_, at) => `${name}[${at}]`);
  return names.map((each) => (/[",\r\n]/.test(each) ? `"${each.replaceAll('"', '""')}"` : each));
}

async function noRows(truth: Truth, endpoint: string, from: Date, skipped: number): Promise<PlatformError> {
  const what = `no labelled rows of endpoint '${endpoint}' since ${from.toISOString().slice(0, 16)}Z`;
  const how = `post labels with \`penstock labels ${endpoint} --file labels.jsonl\``;
  if (skipped > 0)
    return new PlatformError('not_found', `${what}: ${skipped} labelled calls are redacted, or not for the model that is served now`);
  const { labelledCalls: earlierCalls } = await truth.quality(endpoint);
  const earlier = `; ${earlierCalls} calls have labels, which count only if they were posted after labels were stored, and if capture was on`;
  return new PlatformError('not_found', `${what}: ${how}${earlierCalls === 0 ? '' : earlier}`);
}

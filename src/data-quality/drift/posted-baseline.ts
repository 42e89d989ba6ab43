/**
 * Makes baselines of posted rows. Features are gathered column by column, so memory is bounded by the body and one column. Few imports: a
 * worker thread loads this module.
 */
import { bodyTask, checkRows, decodeInThread, decodeRows, isShortText, type RowInvocation, type RowLimits } from '../../codecs/index.ts';
import type { Signature } from '../../tensor.ts';
import type { Threads } from '../../threads/index.ts';
import { baselineOf, type FeatureBaseline } from './baseline.ts';
import { featureColumns } from './features.ts';

/** Feature baselines of many rows, ready to be stored. */
export interface RowsBaseline {
  readonly features: readonly FeatureBaseline[];
  readonly rows: number;
}

/** A body with usual rows. */
export interface PostedRows {
  readonly signature: Signature;
  readonly contentType: string | undefined;
  readonly body: Buffer;
  /** The CSV column with the label, which is not a feature. */
  readonly label: string | undefined;
  /** Names of excluded features. */
  readonly redact: readonly string[];
}

/** More rows would not change the stored quantiles. */
const limits: RowLimits = { rowsMax: 1_000_000, requestsMax: 65_536 };

/** Throws `invalid_request` and `too_large`, like any body of rows. */
function baselineOfRows({ redact, ...input }: PostedRows): RowsBaseline {
  const invocations = decodeRows({ ...input, limits });
  const redacted = new Set(redact);
  const rows = invocations.reduce((sum, each) => sum + each.rows, 0);
  const features: FeatureBaseline[] = [];
  for (const { name, values } of columnsOf(invocations, redacted)) {
    const feature = baselineOf(name, values);
    if (feature !== null) features.push(feature);
  }
  return { features, rows };
}

function columnsOf(invocations: readonly RowInvocation[], redacted: ReadonlySet<string>) {
  const [only, ...others] = invocations;
  if (only !== undefined && others.length === 0) return featureColumns(only.inputs, only.rows, redacted);
  // A model that is not batchable has one invocation per row.
  const columns = new Map<string, number[]>();
  for (const { inputs, rows } of invocations) {
    for (const { name, values } of featureColumns(inputs, rows, redacted)) {
      const column = columns.get(name);
      if (column === undefined) columns.set(name, Array.from(values));
      else column.push(...values);
    }
  }
  return Array.from(columns, ([name, values]) => ({ name, values }));
}

/** Counts before decoding. */
export const checkBaselineTask = bodyTask(
  import.meta.url,
  'checkBaselineTask',
  ({ signature, contentType, body, label }: PostedRows) => checkRows({ signature, contentType, body, label, limits }),
  () => [],
);

/** In place for a small body, in a thread for a large one. */
export const postedBaselineTask = bodyTask(import.meta.url, 'postedBaselineTask', baselineOfRows, () => [], checkBaselineTask);

/** Runs in a worker thread unless the body is small. The body can be detached afterwards. */
export async function postedBaseline(threads: Threads, input: PostedRows, isWanted: () => boolean): Promise<RowsBaseline> {
  if (isShortText(input.signature, input.body.length)) return baselineOfRows(input);
  return (await decodeInThread(threads, postedBaselineTask, input, isWanted)).decoded;
}

/** What a batch transform is: a model version, objects that go in, and where their results go. */
import { PlatformError } from '../../errors.ts';
import { isWhole, parsePath } from './json-path.ts';

export type TransformState = 'InProgress' | 'Completed' | 'Failed' | 'Stopping' | 'Stopped';

/** Objects under a prefix (or those that a manifest there names), or a file or directory of this machine. */
export type TransformPlace =
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string; readonly isManifest?: boolean }
  | { readonly kind: 'file'; readonly path: string };

/** `jsonl`: JSON a line. `bytes`: whatever it is, for a model that is a process. */
export type RecordFormat = 'csv' | 'jsonl' | 'json' | 'npy' | 'bytes';

export interface TransformOrder {
  readonly name: string;
  readonly group: string;
  readonly version: number;
  readonly input: TransformPlace;
  readonly output: TransformPlace;
  /** What the objects are; null: by the ends of their names. */
  readonly contentType: string | null;
  /** What the results shall be; null: as the objects are. */
  readonly accept: string | null;
  /** null: those whose names end in `.gz`. */
  readonly isGzip: boolean | null;
  /** A line is a record; else an object is. null: a line, where the format has lines. */
  readonly split: 'none' | 'line' | null;
  /** How many records an invocation carries. */
  readonly batch: 'multi' | 'single';
  /** A line break after each result that has none. */
  readonly assemble: 'none' | 'line';
  /** Of an invocation, and of a record. */
  readonly payloadBytesMax: number;
  readonly instances: number;
  readonly instanceType: string;
  /** Invocations under way for each instance; null: chosen. */
  readonly concurrency: number | null;
  readonly inputFilter: string;
  readonly outputFilter: string;
  /** Results beside their records. */
  readonly joins: boolean;
  /** Columns that the model does not see; of orders that are older than they are, undefined. */
  readonly ignored?: readonly string[];
  /** Columns of CSV that the model does not see, and that stand before its result. */
  readonly kept?: readonly string[];
  readonly badRecords: 'fail' | 'skip';
  /** Of one invocation. */
  readonly timeoutMs: number;
  readonly retries: number;
  /** Variables for a model that is a process. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface TransformProgress {
  readonly objects: number;
  readonly objectsDone: number;
  readonly objectsFailed: number;
  /** Records whose results are written, and such as were left out. */
  readonly records: number;
  readonly skipped: number;
  /** Of the objects as they lie there, and how many of them are read. */
  readonly bytes: number;
  readonly bytesDone: number;
  /** While it runs; null before the first. */
  readonly recordsPerSecond: number | null;
  readonly remainingMs: number | null;
}

export interface TransformView {
  readonly order: TransformOrder;
  readonly state: TransformState;
  readonly reason: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Rows of a run, chosen for throughput, and why; null until it is. */
  readonly batchRows: number | null;
  readonly progress: TransformProgress;
}

export const payloadBytesMaxDefault = 6 * 2 ** 20;
export const payloadMiBLimit = 100;

export const transformDefaults = {
  contentType: null,
  accept: null,
  isGzip: null,
  split: null,
  batch: 'multi',
  assemble: 'none',
  payloadBytesMax: payloadBytesMaxDefault,
  instances: 1,
  instanceType: 'local.1',
  concurrency: null,
  inputFilter: '$',
  outputFilter: '$',
  joins: false,
  badRecords: 'fail',
  timeoutMs: 600_000,
  retries: 3,
  environment: {},
} as const satisfies Partial<TransformOrder>;

const namePattern = /^[a-zA-Z0-9](?:-?[a-zA-Z0-9]){0,62}$/;

/** Throws `invalid_request` for what cannot be done whatever the objects hold. */
export function checkOrder(order: TransformOrder): void {
  const { name, instances, concurrency, input, output, split, batch, joins, inputFilter, outputFilter, isGzip } = order;
  if (!namePattern.test(name))
    throw invalid(`'${name.slice(0, 80)}' is no name of a transform: letters, digits and single hyphens, at most 63`);
  if (!(instances >= 1 && instances <= 100)) throw invalid(`a transform runs on 1 to 100 instances, not on ${instances}`);
  if (concurrency !== null && !(concurrency >= 1 && concurrency <= 100))
    throw invalid('from 1 to 100 invocations may be under way for each instance');
  parsePath(inputFilter);
  parsePath(outputFilter);
  const { ignored = [], kept = [] } = order;
  if (joins && kept.length > 0) throw invalid('results go beside their whole records, or beside the columns that are kept: not both');
  const isColumns = ignored.length + kept.length > 0;
  const records = joins
    ? 'joining results with their records'
    : isColumns
      ? 'leaving columns out'
      : isWhole(parsePath(inputFilter))
        ? null
        : 'an input filter';
  if (split === 'none' && records !== null && order.contentType === null) throw invalid(`${records} needs records: split by lines`);
  if (batch === 'single' && split === 'none') throw invalid('a single record for each invocation needs records: split by lines');
  if (input.kind === 'file' && output.kind === 'file' && input.path === output.path)
    throw invalid('results cannot go where their objects lie');
  if (isGzip === true && order.contentType === 'application/x-npy' && split === 'line') throw invalid('an npy file has no lines');
}

const formats: Readonly<Record<string, RecordFormat>> = {
  'text/csv': 'csv',
  'application/jsonlines': 'jsonl',
  'application/x-jsonlines': 'jsonl',
  'application/x-ndjson': 'jsonl',
  'application/json': 'json',
  'application/x-npy': 'npy',
};
const formatOfEnding: Readonly<Record<string, RecordFormat>> = {
  csv: 'csv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  npy: 'npy',
};
const typeOfFormat: Readonly<Record<RecordFormat, string>> = {
  csv: 'text/csv',
  jsonl: 'application/jsonlines',
  json: 'application/json',
  npy: 'application/x-npy',
  bytes: 'application/octet-stream',
};

export interface ObjectForm {
  readonly format: RecordFormat;
  readonly contentType: string;
  readonly isGzip: boolean;
  readonly isSplit: boolean;
  readonly result: RecordFormat;
  /** As the results are called: what was asked for, or what they are. */
  readonly resultType: string;
}

/** What an object is and what becomes of it. Throws `invalid_request`, `unsupported`. */
export function formOf(order: TransformOrder, name: string, isProcess: boolean): ObjectForm {
  const isGzip = order.isGzip ?? /\.gz(ip)?$/i.test(name);
  const ending = /\.([a-z0-9]+)$/i.exec(name.replace(/\.gz(ip)?$/i, ''))?.[1]?.toLowerCase() ?? '';
  const format = order.contentType === null ? formatOfEnding[ending] : formats[mediaType(order.contentType)];
  const known = format ?? (isProcess ? 'bytes' : undefined);
  if (known === undefined) {
    const what =
      order.contentType === null ? `the end of its name does not say what it is` : `'${order.contentType.slice(0, 60)}' is not read`;
    throw new PlatformError(
      'unsupported',
      `${what}: objects are ${Object.keys(formats)
        .filter((type) => !type.includes('x-j'))
        .join(', ')}`,
    );
  }
  const isSplit = order.split === null ? ['csv', 'jsonl'].includes(known) : order.split === 'line';
  if (isSplit && known === 'npy') throw new PlatformError('invalid_request', 'an npy file has no lines to be split by');
  const read = isSplit && known === 'json' ? 'jsonl' : known;
  const accepted = order.accept === null ? undefined : formats[mediaType(order.accept)];
  if (order.accept !== null && accepted === undefined && !isProcess) {
    throw new PlatformError(
      'unsupported',
      `results are not written as '${order.accept.slice(0, 60)}': text/csv, application/jsonlines, application/json or application/x-npy`,
    );
  }
  const result = resultOf(read, accepted ?? read);
  checkColumns(order, read, result);
  if (result === 'npy' && read !== 'npy' && !isProcess) throw new PlatformError('unsupported', 'only npy files become npy files');
  return {
    format: read,
    contentType: order.contentType ?? typeOfFormat[known],
    isGzip,
    isSplit,
    result,
    resultType: order.accept ?? (order.contentType === null || read !== result ? typeOfFormat[result] : order.contentType),
  };
}

/** What is asked of columns that an object has not would be left undone in silence. */
function checkColumns({ ignored = [], kept = [] }: TransformOrder, read: RecordFormat, result: RecordFormat): void {
  if (kept.length > 0 && (read !== 'csv' || result !== 'csv'))
    throw invalid(
      `columns are kept beside results where both are CSV, not where ${read} becomes ${result}: join results with their records instead`,
    );
  if (ignored.length > 0 && !['csv', 'jsonl', 'json'].includes(read)) throw invalid(`columns are ignored in CSV and JSON, not in ${read}`);
}

function resultOf(read: RecordFormat, wanted: RecordFormat): RecordFormat {
  return wanted === 'json' && read !== 'json' ? 'jsonl' : wanted;
}

function mediaType(header: string): string {
  return (header.split(';')[0] as string).trim().toLowerCase();
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

/** The spec of a batch transform: a model version, input objects, and the location of the results. */

import { PlatformError } from '../../errors.ts';
import { instanceTypeDefault } from '../../fields/index.ts';
import { isRootPath, parsePath } from './records/json-path.ts';

/** As SageMaker has them. */
export type TransformState = 'InProgress' | 'Completed' | 'Failed' | 'Stopping' | 'Stopped';

/**
 * What happens to an object with a bad record: it has no result; the record has no result; the result of the record is `null`, so that
 * results and records have the same order (for JSON lines).
 */
export type BadRecords = 'fail' | 'skip' | 'mark';

/** Objects under a prefix (or named by a manifest), or a local file or directory. */
export type TransformLocation =
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string; readonly isManifest?: boolean }
  | { readonly kind: 'file'; readonly path: string };

/** `jsonl`: one JSON value per line. `bytes`: any content, for models that take bytes. */
export type RecordFormat = 'csv' | 'jsonl' | 'json' | 'npy' | 'bytes';

/** What was requested, with defaults filled in. */
export interface TransformSpec {
  readonly name: string;
  readonly group: string;
  readonly version: number;
  readonly input: TransformLocation;
  readonly output: TransformLocation;
  /** Content type of the objects; null: by file extension. */
  readonly contentType: string | null;
  /** Content type of the results; null: that of the objects. */
  readonly accept: string | null;
  /** Null: by the extension `.gz`. */
  readonly isGzip: boolean | null;
  /** Whether a record is a line or the whole object. Null: a line if the format has lines. */
  readonly split: 'none' | 'line' | null;
  /** Records per invocation. */
  readonly batch: 'multi' | 'single';
  /** `line`: adds a line break to each result without one. */
  readonly assemble: 'none' | 'line';
  /** Maximum size of an invocation and of a record. */
  readonly payloadBytesMax: number;
  readonly instances: number;
  readonly instanceType: string;
  /** Concurrent invocations per instance; null: chosen automatically. */
  readonly concurrency: number | null;
  readonly inputFilter: string;
  readonly outputFilter: string;
  /** Whether each result is written together with its record. */
  readonly joins: boolean;
  /** Columns hidden from the model; undefined in stored specs of older servers. */
  readonly ignored?: readonly string[];
  /** CSV columns hidden from the model and written before its result. */
  readonly kept?: readonly string[];
  readonly badRecords: BadRecords;
  /** Timeout of one invocation. */
  readonly timeoutMs: number;
  readonly retries: number;
  /** Environment variables of a process model. */
  readonly environment: Readonly<Record<string, string>>;
  /** The version may await approval: only for an evaluation that its approval is decided by, and only of models without code. */
  readonly isPending?: true;
}

/** How far a transform is. */
export interface TransformProgress {
  readonly objects: number;
  readonly objectsDone: number;
  readonly objectsFailed: number;
  /** Records with a written result, and skipped records. */
  readonly records: number;
  readonly skipped: number;
  /** Stored size of the objects, and the bytes read so far. */
  readonly bytes: number;
  readonly bytesDone: number;
  /** Only while the transform runs; null before the first records. */
  readonly recordsPerSecond: number | null;
  readonly remainingMs: number | null;
}

/** A transform as the APIs show it. Times are epoch milliseconds. */
export interface TransformView {
  readonly spec: TransformSpec;
  readonly state: TransformState;
  readonly reason: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** Rows per run, chosen by throughput; null before that. */
  readonly batchRows: number | null;
  readonly progress: TransformProgress;
}

/** 6 MiB, as on SageMaker. */
export const payloadBytesMaxDefault = 6 * 2 ** 20;
/** The largest payload that can be requested, in MiB. */
export const payloadMiBLimit = 100;

/** Of everything that a request may leave out. */
export const transformDefaults = {
  contentType: null,
  accept: null,
  isGzip: null,
  split: null,
  batch: 'multi',
  assemble: 'none',
  payloadBytesMax: payloadBytesMaxDefault,
  instances: 1,
  instanceType: instanceTypeDefault,
  concurrency: null,
  inputFilter: '$',
  outputFilter: '$',
  joins: false,
  badRecords: 'fail',
  timeoutMs: 600_000,
  retries: 3,
  environment: {},
} as const satisfies Partial<TransformSpec>;

const namePattern = /^[a-zA-Z0-9](?:-?[a-zA-Z0-9]){0,62}$/;

/** Throws `invalid_request` for a spec that cannot succeed with any objects. */
export function checkTransformSpec(spec: TransformSpec): void {
  const { name, instances, concurrency, input, output, split, batch, joins, inputFilter, outputFilter, isGzip } = spec;
  if (!namePattern.test(name))
    throw invalid(`invalid transform name '${name.slice(0, 80)}': expected at most 63 letters, digits and single hyphens`);
  if (!(instances >= 1 && instances <= 100)) throw invalid(`expected 1 to 100 instances, got ${instances}`);
  if (concurrency !== null && !(concurrency >= 1 && concurrency <= 100))
    throw invalid('expected 1 to 100 concurrent invocations per instance');
  parsePath(inputFilter);
  parsePath(outputFilter);
  const { ignored = [], kept = [] } = spec;
  if (joins && kept.length > 0) throw invalid('expected either join or kept columns, got both');
  const isColumns = ignored.length + kept.length > 0;
  const records = joins
    ? 'joining results with records'
    : isColumns
      ? 'hiding columns'
      : isRootPath(parsePath(inputFilter))
        ? null
        : 'an input filter';
  if (split === 'none' && records !== null && spec.contentType === null) throw invalid(`${records} needs records: split by lines`);
  if (batch === 'single' && split === 'none') throw invalid('a single record per invocation needs records: split by lines');
  if (input.kind === 'file' && output.kind === 'file' && input.path === output.path)
    throw invalid('the output location must differ from the input location');
  if (isGzip === true && spec.contentType === 'application/x-npy' && split === 'line') throw invalid('an npy file has no lines');
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

/** The form of one object and of its result. */
export interface ObjectForm {
  readonly format: RecordFormat;
  readonly contentType: string;
  readonly isGzip: boolean;
  readonly isSplit: boolean;
  readonly result: RecordFormat;
  /** Content type of the results: as requested, or of their format. */
  readonly resultType: string;
}

/** Determines input and result format of an object. Throws `invalid_request`, `unsupported`. */
export function formOf(spec: TransformSpec, name: string, takesBytes: boolean): ObjectForm {
  const isGzip = spec.isGzip ?? /\.gz(ip)?$/i.test(name);
  const ending = /\.([a-z0-9]+)$/i.exec(name.replace(/\.gz(ip)?$/i, ''))?.[1]?.toLowerCase() ?? '';
  const format = spec.contentType === null ? formatOfEnding[ending] : formats[mediaType(spec.contentType)];
  const known = format ?? (takesBytes ? 'bytes' : undefined);
  if (known === undefined) {
    const what = spec.contentType === null ? `unknown file extension` : `unsupported content type '${spec.contentType.slice(0, 60)}'`;
    throw new PlatformError(
      'unsupported',
      `${what}: expected ${Object.keys(formats)
        .filter((type) => !type.includes('x-j'))
        .join(', ')}`,
    );
  }
  const isSplit = spec.split === null ? ['csv', 'jsonl'].includes(known) : spec.split === 'line';
  if (isSplit && known === 'npy') throw new PlatformError('invalid_request', 'an npy file has no lines to split by');
  const read = isSplit && known === 'json' ? 'jsonl' : known;
  const accepted = spec.accept === null ? undefined : formats[mediaType(spec.accept)];
  if (spec.accept !== null && accepted === undefined && !takesBytes) {
    throw new PlatformError(
      'unsupported',
      `unsupported result type '${spec.accept.slice(0, 60)}': expected text/csv, application/jsonlines, application/json or application/x-npy`,
    );
  }
  const result = resultOf(read, accepted ?? read);
  checkColumns(spec, read, result);
  if (result === 'npy' && read !== 'npy' && !takesBytes) throw new PlatformError('unsupported', 'npy results require npy objects');
  return {
    format: read,
    contentType: spec.contentType ?? typeOfFormat[known],
    isGzip,
    isSplit,
    result,
    resultType: spec.accept ?? (spec.contentType === null || read !== result ? typeOfFormat[result] : spec.contentType),
  };
}

/** Rejects column options that an object cannot support, instead of ignoring them silently. */
function checkColumns({ ignored = [], kept = [] }: TransformSpec, read: RecordFormat, result: RecordFormat): void {
  if (kept.length > 0 && (read !== 'csv' || result !== 'csv'))
    throw invalid(`kept columns require CSV objects and CSV results, got ${read} and ${result}: use join instead`);
  if (ignored.length > 0 && !['csv', 'jsonl', 'json'].includes(read)) throw invalid(`ignored columns require CSV or JSON, got ${read}`);
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

/** Parses lines of the request log, and puts their fields in words. Pure functions. */
import { fixed, ms, percent, plural } from './format.ts';
import { usdOfRequests } from './money.ts';

export interface LoggedRequest {
  readonly id: string;
  readonly atMs: number;
  readonly endpoint: string;
  /** `ok`, an error code, `cancelled`, or a protocol's status number. */
  readonly status: string;
  readonly totalMs: number | null;
  readonly queueMs: number | null;
  readonly computeMs: number | null;
  /** Rows of its batch; null if it never ran. */
  readonly batchRows: number | null;
  /** The other fields of the line, in words. */
  readonly rest: readonly (readonly [name: string, value: string])[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Null for a line that is not from the request log. */
export function loggedRequest(line: string): LoggedRequest | null {
  const fields = fieldsOf(line);
  const { request, at, endpoint, status, totalMs, queueMs, computeMs, batchRows, ...rest } = fields ?? {};
  if (typeof request !== 'string' || typeof at !== 'number' || typeof endpoint !== 'string') return null;
  const hasRun = typeof rest['executor'] === 'string';
  return {
    id: request,
    atMs: at,
    endpoint,
    status: typeof status === 'string' || typeof status === 'number' ? String(status) : '',
    totalMs: numberOf(totalMs),
    queueMs: numberOf(queueMs),
    computeMs: hasRun ? numberOf(computeMs) : null,
    batchRows: hasRun ? numberOf(batchRows) : null,
    rest: Object.entries(rest).flatMap(([name, value]) => (value === null || value === '' ? [] : [formatField(name, value)])),
  };
}

function fieldsOf(line: string): Fields | null {
  try {
    const fields: unknown = JSON.parse(line);
    return typeof fields === 'object' && fields !== null && !Array.isArray(fields) ? (fields as Fields) : null;
  } catch {
    return null;
  }
}

const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null);

/** Served, but after the objective's latency. */
export function isLate({ status, totalMs }: Pick<LoggedRequest, 'status' | 'totalMs'>, objectiveMs: number | null): boolean {
  return isServed(status) && totalMs !== null && objectiveMs !== null && totalMs > objectiveMs;
}

export function isServed(status: string): boolean {
  return status === 'ok' || status === '200';
}

/** `invalid_request` as `Invalid request`. */
export function formatRequestStatus(status: string): string {
  if (isServed(status)) return 'OK';
  const words = status.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const fieldNames: Readonly<Record<string, string>> = {
  variant: 'Variant',
  version: 'Version',
  rows: 'Rows',
  executor: 'Executor',
  closeReason: 'Dispatch reason',
  encodeMs: 'Encoding and sending',
  bodyMs: 'Receiving the body',
  costUsd: 'Cost',
  rowsAhead: 'Rows ahead in the queue',
  batchRequests: 'Requests in its batch',
  batchWaitMs: 'Batch held open',
  parts: 'Batches',
  overflow: 'Overflow reason',
  coldStart: 'Cold start',
  oneOf: 'Sampled',
  error: 'Error',
};

function formatField(name: string, value: unknown): readonly [string, string] {
  return [fieldNames[name] ?? name, formatValue(name, value)];
}

function formatValue(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === true) return 'yes';
  if (typeof value !== 'number') return JSON.stringify(value);
  if (name.endsWith('Ms')) return `${ms(value)} ms`;
  if (name === 'costUsd') return usdOfRequests(value);
  if (name === 'oneOf') return `one of ${plural(value, 'request')}, ${percent(1 / value)} %`;
  return fixed(value, Number.isInteger(value) ? 0 : 3);
}

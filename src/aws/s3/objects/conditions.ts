/** Evaluates conditional and range requests: RFC 9110, sections 13 and 14, as S3 interprets them. */
import type { IncomingHttpHeaders } from 'node:http';
import { AwsError } from '../../service.ts';
import { s3Error } from '../s3-errors.ts';
import type { ByteRange, S3Object, WriteCondition } from './object.ts';

type Judged = Pick<S3Object, 'etag' | 'modifiedAtMs'>;

/** Evaluates the conditions of a read. Throws `PreconditionFailed`. */
export function judgeConditions(object: Judged, headers: IncomingHttpHeaders, prefix = ''): 'holds' | 'not-modified' | 'fails' {
  const [match, none] = [headers[`${prefix}if-match`], headers[`${prefix}if-none-match`]];
  const since = dateOf(headers[`${prefix}if-modified-since`]);
  const until = dateOf(headers[`${prefix}if-unmodified-since`]);
  const modifiedAt = Math.floor(object.modifiedAtMs / 1000) * 1000; // HTTP dates have a resolution of one second.
  if (typeof match === 'string') {
    if (!names(match, object.etag)) return 'fails';
  } else if (until !== null && modifiedAt > until) return 'fails';
  if (typeof none === 'string') {
    if (names(none, object.etag)) return 'not-modified';
  } else if (since !== null && modifiedAt <= since) return 'not-modified';
  return 'holds';
}

/** The condition of a write. Throws `NotImplemented` for conditions that S3 does not support. */
export function writeCondition(headers: IncomingHttpHeaders): WriteCondition | undefined {
  const [match, none] = [headers['if-match'], headers['if-none-match']];
  if (none !== undefined) {
    if (none.trim() !== '*' || match !== undefined)
      throw s3Error('NotImplemented', 'If-None-Match of a write must be *, without If-Match.');
    return { absent: true };
  }
  return match === undefined ? undefined : { etags: match.trim() === '*' ? '*' : etagsOf(match) };
}

/**
 * The requested byte range. Null stands for the whole object: no Range header, several ranges, or a malformed header. Throws
 * `InvalidRange`.
 */
export function rangeOf(header: string | undefined, bytes: number): ByteRange | null {
  const [, first, last] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return null;
  if (first === '') {
    const count = Math.min(Number(last), bytes);
    if (count === 0) throw unsatisfiable(header, bytes);
    return { start: bytes - count, end: bytes };
  }
  if (last !== '' && Number(last) < Number(first)) return null;
  if (Number(first) >= bytes) throw unsatisfiable(header, bytes);
  return { start: Number(first), end: last === '' ? bytes : Math.min(Number(last) + 1, bytes) };
}

function unsatisfiable(header: string | undefined, bytes: number): AwsError {
  const { code, message, httpStatus } = s3Error('InvalidRange');
  const members = { RangeRequested: header?.trim(), ActualObjectSize: bytes };
  return new AwsError(code, message, { httpStatus, members, headers: { 'content-range': `bytes */${bytes}` } });
}

/** Whether `*` or a list of ETags matches this one. */
function names(header: string, etag: string): boolean {
  return header.trim() === '*' || etagsOf(header).includes(etag);
}

/** ETags without quotes; S3 accepts them with and without. */
function etagsOf(header: string): string[] {
  return header.split(',').map(bareEtag);
}

/** Removes quotes and the prefix `W/`. */
export function bareEtag(etag: string): string {
  return etag
    .trim()
    .replace(/^(?:W\/)?"?/, '')
    .replace(/"$/, '');
}

function dateOf(header: string | string[] | undefined): number | null {
  const ms = typeof header === 'string' ? Date.parse(header) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** Parses media types such as `text/csv; charset=utf-8`, and names those that the built-in worker supports. */
import { PlatformError } from '../../errors.ts';

export interface MediaType {
  /** Lower case, without parameters. */
  readonly type: string;
  /** By lower-case name. */
  readonly parameters: Readonly<Record<string, string>>;
}

const noParameters = {};

/** Tolerant: malformed parameters are ignored. */
export function parseMediaType(header: string): MediaType {
  const semicolon = header.indexOf(';');
  if (semicolon === -1) return { type: header.trim().toLowerCase(), parameters: noParameters };
  const parameters: Record<string, string> = {};
  for (const [, name = '', quoted, plain = ''] of header
    .slice(semicolon)
    .matchAll(/;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))/g)) {
    parameters[name.toLowerCase()] = quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, '$1');
  }
  return { type: header.slice(0, semicolon).trim().toLowerCase(), parameters };
}

export const json = 'application/json';
export const jsonLines = 'application/jsonlines';
export const plainText = 'text/plain';
export const csv = 'text/csv';
export const npy = 'application/x-npy';
export const octetStream = 'application/octet-stream';
/** Sent by Triton's clients through SageMaker; same format as `octetStream`. */
export const tritonBinary = 'application/vnd.sagemaker-triton.binary+json';

/** Length of the JSON in bytes. AWS's clients cannot send the header Inference-Header-Content-Length, so Triton reads this parameter. */
export const jsonSize = 'json-header-size';

/** Unsupported `Content-Type` (415) or `Accept` (406): containers answer with these statuses, and clients read them. */
export class MediaTypeError extends PlatformError {
  readonly status: 406 | 415;

  constructor(status: 406 | 415, message: string) {
    super('invalid_request', message);
    this.status = status;
  }
}

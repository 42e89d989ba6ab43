/** `text/csv; charset=utf-8` taken apart, and the media types that the built-in worker reads and writes. */

export interface MediaType {
  /** Lower case, without parameters. */
  readonly type: string;
  /** By lower-case name. */
  readonly parameters: Readonly<Record<string, string>>;
}

const noParameters = {};

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
export const csv = 'text/csv';
export const npy = 'application/x-npy';
export const octets = 'application/octet-stream';
/** What Triton's clients send by way of SageMaker: the same as our octets. */
export const tritonBinary = 'application/vnd.sagemaker-triton.binary+json';

/** AWS's clients cannot send the header Inference-Header-Content-Length; this parameter of the content type stands for it. */
export const jsonSize = 'json-header-size';

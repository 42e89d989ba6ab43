/** Bodies of one inference in the format of each adapter: valid, invalid, too large, or so long that they are decoded in a thread. */
import { definitionOf } from './end-to-end/grpc-client.ts';

/** The largest body that the adapters accept. */
export const bodyLimitBytes = 256 * 1024;

/** What an adapter is sent. `rows` of a valid body; other bodies are invalid or too large. */
export type Sent = { readonly rows: number } | 'undecodable' | 'too large' | 'long' | 'long and undecodable';

/** Enough blanks that a body is decoded in a thread. */
const long = ' '.repeat(40_000);
const rowsOf = (count: number): number[][] => Array.from({ length: count }, (_, row) => [row]);

export function rowsBody(sent: Sent): Buffer {
  if (sent === 'undecodable') return Buffer.from('{"instances": [["a"]]}');
  if (sent === 'too large') return Buffer.alloc(bodyLimitBytes + 1, ' ');
  if (sent === 'long and undecodable') return Buffer.from(`{"instances": [["a"]]}${long}`);
  if (sent === 'long') return Buffer.from(`${JSON.stringify({ instances: rowsOf(1) })}${long}`);
  return Buffer.from(JSON.stringify({ instances: rowsOf(sent.rows) }));
}

/** Any JSON is a row: only what is not JSON cannot be decoded. */
export function jsonBody(sent: Sent): Buffer {
  if (sent === 'undecodable') return Buffer.from('{"instances": [[a]]}');
  return sent === 'long and undecodable' ? Buffer.from(`{"instances": [[a]]}${long}`) : rowsBody(sent);
}

export function linesBody(sent: Sent): Buffer {
  if (typeof sent === 'object')
    return Buffer.from(
      rowsOf(sent.rows)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
  return jsonBody(sent);
}

export function oipBody(sent: Sent): Buffer {
  const input = (data: unknown): string => JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data }] });
  if (sent === 'undecodable') return Buffer.from(input(['a']));
  if (sent === 'too large') return Buffer.alloc(bodyLimitBytes + 1, ' ');
  if (sent === 'long and undecodable') return Buffer.from(`${input(['a'])}${long}`);
  if (sent === 'long') return Buffer.from(`${input([1])}${long}`);
  const { rows } = sent;
  return Buffer.from(JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, 1], data: rowsOf(rows).flat() }] }));
}

export function grpcBody(sent: Sent, endpoint: string): Buffer {
  const { requestSerialize } = definitionOf('ModelInfer');
  const message = (name: string, rows: number, values: readonly number[], id = ''): Buffer =>
    requestSerialize({
      model_name: endpoint,
      id,
      inputs: [{ name, datatype: 'FP32', shape: [rows, 1], contents: { fp32_contents: values } }],
    });
  if (sent === 'undecodable') return message('other', 1, [1]);
  if (sent === 'too large')
    return message(
      'x',
      1,
      Array.from({ length: bodyLimitBytes / 4 + 1 }, () => 1),
    );
  if (sent === 'long and undecodable')
    return message(
      'x',
      1,
      Array.from({ length: 20_000 }, () => 1),
    );
  if (sent === 'long') return message('x', 1, [1], long);
  return message('x', sent.rows, rowsOf(sent.rows).flat());
}

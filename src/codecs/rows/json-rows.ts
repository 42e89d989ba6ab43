/**
 * Bodies for models that take rows of any JSON. A row stays the text that the client sent, so that no number loses digits:
 *
 *   application/json         one row, and its result is the response: `value`
 *                            {"instances": [row, row, …]}, answered by {"predictions": […]}
 *   application/jsonlines    one row per line, answered by one result per line: `lines`
 *   text/plain               one row, a JSON string of the text: `value`
 */
import { messageOf, PlatformError } from '../../errors.ts';
import { decodeStrings, encodeStrings, type Signature, type TensorSpec } from '../../tensor.ts';
import { anyJson, checkJsonCost } from '../json-limits.ts';
import { anyRows, type RowInvocation, type RowLimits, tooManyRows } from './invocation.ts';
import { elementsOfArray, membersOfObject } from './json-slices.ts';
import { utf8Text } from './utf8-text.ts';

/** The content types that such models accept. */
export const jsonRowTypes = ['application/json', 'application/jsonlines', 'text/plain'] as const;
/** Names of `application/jsonlines` in use. */
const linesTypes: readonly string[] = ['application/jsonlines', 'application/x-ndjson', 'application/ndjson', 'application/jsonl'];

/** `type`: the media type, in lower case. Throws `invalid_request`, `too_large`, `unsupported`. */
export function decodeJsonRows(signature: Signature, type: string, body: Buffer, limits: RowLimits = anyRows): readonly RowInvocation[] {
  const { rowsMax } = limits;
  if (linesTypes.includes(type)) return [jsonInvocation(signature, linesOf(utf8Text(body), rowsMax), 'lines')];
  switch (type) {
    case 'application/json': {
      const text = utf8Text(body);
      const value = checkedJson(text, 'the body');
      if (!isInstances(value)) return [jsonInvocation(signature, [text.trim()], 'value')];
      if (value.instances.length > rowsMax) throw tooManyRows(rowsMax);
      if (value.instances.length === 0) throw new PlatformError('invalid_request', `'instances' is empty: send at least one row`);
      const instances = membersOfObject(text).findLast(({ name }) => name === 'instances')?.value ?? '';
      return [jsonInvocation(signature, elementsOfArray(instances))];
    }
    case 'text/plain':
      return [jsonInvocation(signature, [JSON.stringify(utf8Text(body))], 'value')];
    default:
      throw new PlatformError('unsupported', `content type '${type.slice(0, 80)}' is not read here: send ${jsonRowTypes.join(', ')}`);
  }
}

/** The rows as one invocation. The texts must be JSON. */
export function jsonInvocation({ inputs }: Signature, rows: readonly string[], reply?: RowInvocation['reply']): RowInvocation {
  const { name, datatype } = inputs[0] as TensorSpec;
  const input = { name, datatype, shape: [rows.length], data: encodeStrings(rows) };
  return { inputs: [input], rows: rows.length, ...(reply === undefined ? {} : { reply }) };
}

/** Throws `invalid_request` unless each element of an input of JSON texts is JSON. */
export function checkJsonElements({ name, content }: TensorSpec, data: Uint8Array): void {
  if (content !== 'json') return;
  for (const [index, text] of decodeStrings(data).entries()) checkedJson(text, `input '${name}': element ${index}`);
}

/** Parses the text, which `what` names in errors. Throws `invalid_request`, `too_large`. */
export function checkedJson(text: string, what: string): unknown {
  checkJsonCost(text, anyJson);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('invalid_request', `${what} is not JSON: ${messageOf(cause).slice(0, 200)}`, { cause });
  }
}

/** `{"instances": […]}` alone. An object with other members is a row. */
function isInstances(value: unknown): value is { readonly instances: readonly unknown[] } {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1) return false;
  return Array.isArray((value as { instances?: unknown }).instances);
}

/** The lines that are not empty. */
function linesOf(text: string, rowsMax: number): readonly string[] {
  const rows: string[] = [];
  for (let [start, number] = [0, 1]; start < text.length; number++) {
    const found = text.indexOf('\n', start);
    const end = found === -1 ? text.length : found;
    const line = text.slice(start, end).trim();
    start = end + 1;
    if (line === '') continue;
    if (rows.length === rowsMax) throw tooManyRows(rowsMax);
    checkedJson(line, `line ${number}`);
    rows.push(line);
  }
  if (rows.length === 0) throw new PlatformError('invalid_request', 'the body has no lines: send one row of JSON per line');
  return rows;
}

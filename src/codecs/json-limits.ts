/**
 * Bounds the cost of JSON before `JSON.parse`: one pass over the characters counts values, lists, objects and strings, and stops at the
 * first count above its limit. Three bytes of text can become a hundred bytes of memory, so the size of a text is not a bound.
 */
import { PlatformError } from '../errors.ts';
import { elementCount, type TensorSpec } from '../tensor.ts';

/** Bounds on what a text may become in memory. */
export interface JsonLimits {
  /** Nesting depth of lists and objects. */
  readonly depthMax: number;
  /** Numbers, words, strings, lists and objects. */
  readonly valuesMax: number;
  /** Lists, objects, strings and names: each takes separate memory. */
  readonly nodesMax: number;
}

/** Maximum nesting depth of lists and objects, unless stated otherwise. */
export const depthMaxDefault = 100;

/** A text of this length contains at most half as many values, which every limit allows. Only its depth is checked. */
export const plainTextLength = 64 * 1024;

/** Bounds for any text: about 600 MiB of memory at worst. */
export const anyJson: JsonLimits = { depthMax: depthMaxDefault, valuesMax: 16 * 2 ** 20, nodesMax: 2 * 2 ** 20 };

/** Limits for documents of control calls. The largest is a PutMetricData of 1,000 metrics with 150 values and counts each. */
export const documentLimits: JsonLimits = { depthMax: 64, valuesMax: 400_000, nodesMax: 100_000 };

/** Values allowed in addition to the elements: `outputs`, `parameters`, names. */
const extraValues = 64 * 1024;

/** Limits for the text of a request with at most `rowsMax` rows of these inputs; infinite if the first dimension does not count rows. */
export function tensorLimits(text: string, inputs: readonly TensorSpec[], rowsMax: number): JsonLimits {
  if (text.length <= plainTextLength) return anyJson;
  let [values, nodes] = [0, 0];
  for (const { shape, datatype, columns } of inputs) {
    // The first dimension counts rows if it varies. Any other varying dimension leaves the number of elements open.
    const inner = shape[0] === -1 ? shape.slice(1) : shape;
    if (inner.includes(-1) || (shape[0] === -1 && rowsMax === Number.POSITIVE_INFINITY)) return anyJson;
    // An input without rows can be repeated for each row.
    const times = rowsMax === Number.POSITIVE_INFINITY ? 1 : rowsMax;
    const elements = times * elementCount(inner);
    // A list around each element, and one around each list of the rank, is the maximum nesting.
    const lists = times * elementCount(inner.slice(0, -1)) * (inner.length + 1);
    values += elements + lists + 2 * times;
    nodes += lists + 2 * times + (datatype === 'BYTES' ? elements : 0) + (columns === undefined ? 0 : elements);
  }
  return {
    depthMax: depthMaxDefault,
    valuesMax: Math.min(values + extraValues, anyJson.valuesMax),
    nodesMax: Math.min(nodes + extraValues, anyJson.nodesMax),
  };
}

/** Throws `invalid_request` for a text that exceeds the limits. It need not be valid JSON. */
export function checkJsonCost(text: string, limits: JsonLimits): void {
  if (text.length <= plainTextLength) {
    if (text.length > 2 * limits.depthMax && isDeeperThan(text, limits.depthMax)) throw tooDeep(limits.depthMax);
    return;
  }
  const { depthMax, valuesMax, nodesMax } = limits;
  let [depth, values, nodes] = [0, 1, 0];
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x2c: // ,
        values++;
        break;
      case 0x22: // "
        nodes++;
        at = endOfString(text, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        values++;
        nodes++;
        if (++depth > depthMax) throw tooDeep(depthMax);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      default:
        continue;
    }
    if (values > valuesMax) throw tooMany('values', valuesMax);
    if (nodes > nodesMax) throw tooMany('lists, objects and strings', nodesMax);
  }
}

/** `JSON.parse` within limits. Throws `invalid_request`, `too_large`, or the parser's `SyntaxError`. */
export function parseJsonWithin(text: string, limits: JsonLimits): unknown {
  checkJsonCost(text, limits);
  return JSON.parse(text);
}

/**
 * Whether the text nests lists and objects deeper than `levels`. Checked before `JSON.parse`, because a body of brackets would take fifty
 * times its size in memory. Code that walks the value must also not exhaust the stack.
 */
function isDeeperThan(text: string, levels: number): boolean {
  // Large tensors usually have few brackets, which native search finds quickly.
  return countAtMost(text, '[', levels) + countAtMost(text, '{', levels) > levels && deepest(text) > levels;
}

function countAtMost(text: string, bracket: string, limit: number): number {
  let count = 0;
  for (let at = text.indexOf(bracket); at !== -1 && count <= limit; at = text.indexOf(bracket, at + 1)) count++;
  return count;
}

function deepest(text: string): number {
  let depth = 0;
  let most = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > most) most = depth;
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    }
  }
  return most;
}

/** Position of the closing quote of the string at `start`; the end of the text if it has none. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at;
  }
  return text.length;
}

function tooDeep(levels: number): PlatformError {
  return new PlatformError('invalid_request', `the JSON is nested deeper than ${levels} levels`);
}

function tooMany(what: string, most: number): PlatformError {
  return new PlatformError('too_large', `the JSON has more than ${most} ${what}, which is the most that this request may hold`, {
    hint: 'send fewer rows at once, binary tensors, or use a transform',
  });
}

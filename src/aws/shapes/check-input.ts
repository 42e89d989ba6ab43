/**
 * Validates a decoded input against its shape, with AWS's error texts. All violations are reported at once, length before pattern. AWS
 * clients do not validate these rules. Members unknown to the shape are retained unchanged.
 */
import { PlatformError } from '../../errors.ts';
import { AwsError, type AwsInput } from '../service.ts';
import type { Shape } from './shapes.ts';

/** Violations beyond this number are not reported. */
const violationsMax = 50;
/** Length limit for a value quoted in an error. */
const shownCharacters = 256;
/** The largest time that a `Date` can hold. */
const epochMsMax = 8.64e15;
/** Limit for texts whose shape has a pattern but no length, which bounds the time spent on matching. */
const patternedCharactersMax = 65_536;

/**
 * Returns the input with times as epoch milliseconds. Takes ownership of `document` and may change it. Throws `invalid_request` with AWS's
 * text if a rule is violated, or `AwsError` SerializationException if a type is wrong.
 */
export function checkInput(shape: Shape | null, document: Record<string, unknown>): AwsInput {
  if (shape === null) return document;
  const violations: string[] = [];
  checkStructure(shape, document, '', violations);
  if (violations.length > 0) {
    const counted = `${violations.length} validation error${violations.length === 1 ? '' : 's'} detected`;
    throw new PlatformError('invalid_request', `${counted}: ${violations.join('; ')}`);
  }
  return document;
}

function checkStructure(shape: Shape, document: Record<string, unknown>, path: string, violations: string[]): void {
  const isOurTag = typeof document.Key === 'string' && document.Key.startsWith('penstock:');
  for (const name of Object.keys(document)) {
    const value = document[name];
    if (value === null || value === undefined) {
      delete document[name]; // A JSON null means that the member is absent.
      continue;
    }
    const member = shape.members.get(name);
    if (member === undefined) continue;
    // Our own tags hold objectives such as p95<=50ms, which AWS's pattern for tag values would reject.
    if (isOurTag && name === 'Value' && typeof value === 'string' && value.length <= 256) continue;
    document[name] = checkValue(member, value, joined(path, lowerFirst(name)), violations);
  }
  for (const name of shape.required) {
    if (!Object.hasOwn(document, name)) complain(violations, shape, null, joined(path, lowerFirst(name)), 'Member must not be null');
  }
}

function checkValue(shape: Shape, value: unknown, path: string, violations: string[]): unknown {
  switch (shape.type) {
    case 'structure':
      checkStructure(shape, asObject(value, path), path, violations);
      return value;
    case 'list':
      return checkList(shape, value, path, violations);
    case 'map':
      return checkMap(shape, value, path, violations);
    case 'string':
      if (typeof value !== 'string') throw cannotConvert(value, 'a String', path);
      for (const constraint of textViolations(shape, value)) complain(violations, shape, value, path, constraint);
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw cannotConvert(value, 'a Boolean', path);
      return value;
    case 'integer':
    case 'long':
    case 'float':
    case 'double':
      return checkNumber(shape, value, path, violations);
    case 'timestamp':
      return timestampOf(value, path);
    case 'blob':
      if (typeof value !== 'string') throw cannotConvert(value, 'a Blob', path);
      return value;
  }
}

function checkList(shape: Shape, value: unknown, path: string, violations: string[]): unknown {
  if (!Array.isArray(value)) throw cannotConvert(value, 'a List', path);
  for (const constraint of lengthViolations(shape, value.length)) complain(violations, shape, value, path, constraint);
  const { element } = shape;
  for (const [index, each] of value.entries()) {
    if (violations.length >= violationsMax) break;
    const at = `${path}.${index + 1}.member`;
    if (each === null) complain(violations, element, null, at, 'Member must not be null');
    else value[index] = checkValue(element, each, at, violations);
  }
  return value;
}

/** Violations of keys and values are reported at the map, with all their rules, as AWS does. */
function checkMap(shape: Shape, value: unknown, path: string, violations: string[]): unknown {
  const map = asObject(value, path);
  const names = Object.keys(map);
  for (const constraint of lengthViolations(shape, names.length)) complain(violations, shape, value, path, constraint);
  const { key, element } = shape;
  if (names.some((name) => textViolations(key, name).length > 0)) {
    complain(violations, shape, value, path, `Map keys must satisfy constraint: [${rulesOf(key).join(', ')}]`);
  }
  let areValuesWrong = false;
  for (const name of names) {
    const each = map[name];
    const at = `${path}.${name.slice(0, shownCharacters)}.member`;
    if (each === null || each === undefined) {
      complain(violations, element, null, at, 'Member must not be null');
    } else if (element.type === 'string') {
      if (typeof each !== 'string') throw cannotConvert(each, 'a String', at);
      areValuesWrong ||= textViolations(element, each).length > 0;
    } else {
      map[name] = checkValue(element, each, at, violations);
    }
  }
  if (areValuesWrong) complain(violations, shape, value, path, `Map value must satisfy constraint: [${rulesOf(element).join(', ')}]`);
  return value;
}

function checkNumber(shape: Shape, value: unknown, path: string, violations: string[]): unknown {
  const isWhole = shape.type === 'integer' || shape.type === 'long';
  const number = typeof value === 'string' && !isWhole && /^(?:NaN|-?Infinity)$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number')
    throw cannotConvert(value, isWhole ? `${shape.type === 'long' ? 'a Long' : 'an Integer'}` : 'a Double', path);
  if (isWhole && !Number.isInteger(number)) {
    throw serialization(`${number} can not be converted to ${shape.type === 'long' ? 'a Long' : 'an Integer'}`, path);
  }
  if (shape.max !== undefined && !(number <= shape.max)) {
    complain(violations, shape, value, path, `Member must have value less than or equal to ${shape.max}`);
  }
  if (shape.min !== undefined && !(number >= shape.min)) {
    complain(violations, shape, value, path, `Member must have value greater than or equal to ${shape.min}`);
  }
  return number;
}

function timestampOf(value: unknown, path: string): number {
  const epochMs = typeof value === 'number' ? Math.round(value * 1000) : typeof value === 'string' ? parseTimestamp(value) : Number.NaN;
  if (!(Math.abs(epochMs) <= epochMsMax)) throw cannotConvert(value, 'a Timestamp', path);
  return epochMs;
}

/** Checks the length first, so the pattern never runs on an overlong text. */
function textViolations(shape: Shape, text: string): string[] {
  const found: string[] = [];
  const { min = 0, max = Number.POSITIVE_INFINITY } = shape;
  // AWS counts characters, not UTF-16 units. Counting is slow, so it runs only near a limit.
  const length = text.length > max || text.length < 2 * min ? charactersOf(text, max) : text.length;
  if (length > max) return [`Member must have length less than or equal to ${max}`];
  if (length < min) found.push(`Member must have length greater than or equal to ${min}`);
  if (shape.enumeration !== undefined && !shape.enumeration.includes(text)) {
    found.push(`Member must satisfy enum value set: [${shape.enumeration.join(', ')}]`);
  }
  if (shape.pattern !== null && (text.length > patternedCharactersMax || !shape.pattern.test(text))) {
    found.push(`Member must satisfy regular expression pattern: ${shape.patternText}`);
  }
  return found;
}

function charactersOf(text: string, most: number): number {
  if (text.length > 2 * most) return text.length;
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function lengthViolations({ min, max }: Shape, length: number): string[] {
  const found: string[] = [];
  if (max !== undefined && length > max) found.push(`Member must have length less than or equal to ${max}`);
  if (min !== undefined && length < min) found.push(`Member must have length greater than or equal to ${min}`);
  return found;
}

function rulesOf(shape: Shape): string[] {
  const rules: string[] = [];
  if (shape.max !== undefined) rules.push(`Member must have length less than or equal to ${shape.max}`);
  if (shape.min !== undefined || shape.max !== undefined) rules.push(`Member must have length greater than or equal to ${shape.min ?? 0}`);
  if (shape.patternText !== undefined) rules.push(`Member must satisfy regular expression pattern: ${shape.patternText}`);
  if (shape.enumeration !== undefined) rules.push(`Member must satisfy enum value set: [${shape.enumeration.join(', ')}]`);
  return rules;
}

function complain(violations: string[], shape: Shape, value: unknown, path: string, constraint: string): void {
  if (violations.length >= violationsMax) return;
  const shown = shape.isSensitive ? 'Value' : value === null ? 'Value null' : `Value '${shownValue(value)}'`;
  violations.push(`${shown} at '${path}' failed to satisfy constraint: ${constraint}`);
}

function shownValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}

function asObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw cannotConvert(value, 'a Structure', path);
  return value as Record<string, unknown>;
}

function cannotConvert(value: unknown, target: string, path: string): AwsError {
  return serialization(`${tokenOf(value)} can not be converted to ${target}`, path);
}

function serialization(what: string, path: string): AwsError {
  return new AwsError('SerializationException', path === '' ? what : `${what} (at '${path}')`);
}

/** The name that AWS's JSON parser uses for the value's type. */
function tokenOf(value: unknown): string {
  if (Array.isArray(value)) return 'START_ARRAY';
  if (typeof value === 'object') return 'START_OBJECT';
  if (typeof value === 'boolean') return value ? 'TRUE_VALUE' : 'FALSE_VALUE';
  return typeof value === 'number' ? 'NUMBER_VALUE' : 'STRING_VALUE';
}

/** Errors write `EndpointName` as `endpointName`. */
function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Parses timestamps of the AWS protocols. */

/** Epoch milliseconds of an ISO-8601 time with its zone, or of epoch seconds written as text; NaN for anything else. */
function parseTimestamp(text: string): number {
  if (/^-?\d{1,12}(?:\.\d{1,9})?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/.test(text)) return Number.NaN;
  // A time without a zone means UTC, not the local zone.
  const isZoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text.slice(10));
  return Date.parse(isZoned || !text.includes('T') ? text : `${text}Z`);
}

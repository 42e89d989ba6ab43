/** Limits of groups and versions. Each check throws `invalid_request`. */
import { PlatformError } from '../errors.ts';

const descriptionLengthMax = 1024;
const entriesMax = 50;
const keyLengthMax = 128;
const valueLengthMax = 1024;
const sourceNameLengthMax = 255;

/** Returns the description, for use in expressions. */
export function checkDescription(description: string): string {
  const { length } = Array.from(description); // code points: an emoji counts once
  if (length > descriptionLengthMax) {
    throw new PlatformError('invalid_request', `expected a description of at most ${descriptionLengthMax} characters, got ${length}`);
  }
  return description;
}

/** Metadata or tags: texts by key. */
export function checkStringMap(what: string, words: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  checkKeys(what, words);
  for (const [key, value] of Object.entries(words)) {
    if (typeof value !== 'string' || value.length > valueLengthMax) {
      throw new PlatformError('invalid_request', `${what} '${key}': expected a text of at most ${valueLengthMax} characters`);
    }
  }
  return words;
}

/** Metrics by name, such as accuracy. */
export function checkMetrics(metrics: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  checkKeys('metrics', metrics);
  for (const [key, value] of Object.entries(metrics)) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new PlatformError('invalid_request', `metrics '${key}': expected a finite number, got ${String(value).slice(0, 40)}`);
    }
  }
  return metrics;
}

/** The file name, without the path to it. */
export function checkSourceName(path: string): string {
  const name = path.split(/[\\/]/).at(-1) ?? '';
  return name.slice(-sourceNameLengthMax) || 'model.onnx';
}

function checkKeys(what: string, record: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(record);
  if (keys.length > entriesMax) {
    throw new PlatformError('invalid_request', `${what}: expected at most ${entriesMax} entries, got ${keys.length}`);
  }
  const bad = keys.find((key) => key.length === 0 || key.length > keyLengthMax);
  if (bad !== undefined) {
    throw new PlatformError('invalid_request', `${what}: expected keys of 1 to ${keyLengthMax} characters, got '${bad.slice(0, 40)}'`);
  }
}

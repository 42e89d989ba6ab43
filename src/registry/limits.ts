/** How much of everything a group or version may carry. Each check throws `invalid_request`. */
import { PlatformError } from '../errors.ts';

const descriptionLengthMax = 1024;
const entriesMax = 50;
const keyLengthMax = 128;
const valueLengthMax = 1024;
const sourceNameLengthMax = 255;

export function checkDescription(description: string): string {
  const { length } = Array.from(description); // an emoji is one character
  if (length > descriptionLengthMax) {
    throw new PlatformError('invalid_request', `the description has ${length} characters, at most ${descriptionLengthMax} are allowed`);
  }
  return description;
}

/** Metadata or tags: words by words. */
export function checkWords(what: string, words: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  checkKeys(what, words);
  for (const [key, value] of Object.entries(words)) {
    if (typeof value !== 'string' || value.length > valueLengthMax) {
      throw new PlatformError('invalid_request', `${what} '${key}': expected a text of at most ${valueLengthMax} characters`);
    }
  }
  return words;
}

/** Metrics: numbers by name, such as accuracy. */
export function checkMetrics(metrics: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  checkKeys('metrics', metrics);
  for (const [key, value] of Object.entries(metrics)) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new PlatformError('invalid_request', `metrics '${key}': expected a finite number, got ${String(value).slice(0, 40)}`);
    }
  }
  return metrics;
}

/** The bare file name, without the folders it came from. */
export function checkSourceName(path: string): string {
  const name = path.split(/[\\/]/).at(-1) ?? '';
  return name.slice(-sourceNameLengthMax) || 'model.onnx';
}

function checkKeys(what: string, record: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(record);
  if (keys.length > entriesMax) {
    throw new PlatformError('invalid_request', `${what}: ${keys.length} entries came, at most ${entriesMax} are allowed`);
  }
  const bad = keys.find((key) => key.length === 0 || key.length > keyLengthMax);
  if (bad !== undefined) {
    throw new PlatformError('invalid_request', `${what}: a key has 1 to ${keyLengthMax} characters, got '${bad.slice(0, 40)}'`);
  }
}

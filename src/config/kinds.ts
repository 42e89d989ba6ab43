/** The kinds of setting values: how to read each from a string or a JSON value, and the `expected X` of its error. */
import { availableParallelism } from 'node:os';
import { formatMs, parseDurationMs } from '../objective.ts';
import type { Setting } from './setting.ts';

/**
 * The part of a setting that depends on the kind of its value only. `read` returns undefined for a value of another kind or out of bounds.
 */
export type SettingKind<Value> = Pick<Setting<Value>, 'placeholder' | 'expected' | 'read'>;

/** Any text but the empty one, which an unset variable of a shell expands to. */
export function textKind(placeholder: string): SettingKind<string> {
  return {
    placeholder,
    expected: 'a non-empty string',
    read: (provided) => (typeof provided === 'string' && provided !== '' ? provided : undefined),
  };
}

/** Text of a certain form. `expected` completes the sentence "expected ..." of its error. */
export function patternKind(placeholder: string, form: RegExp, expected: string): SettingKind<string> {
  return { placeholder, expected, read: (provided) => (typeof provided === 'string' && form.test(provided) ? provided : undefined) };
}

/** A whole number; both bounds are inclusive. Text must be digits only: `1e3` and ` 8 ` are rejected. */
export function integerKind(min: number, max: number): SettingKind<number> {
  return {
    placeholder: 'N',
    expected: `a whole number from ${min} to ${max}`,
    read(provided) {
      const value = typeof provided === 'string' && /^\d+$/.test(provided) ? Number(provided) : provided;
      return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
    },
  };
}

/** A port, 0 for any free one, or `off` for a listener that is not wanted. */
export function portKind(): SettingKind<number | 'off'> {
  const port = integerKind(0, 65_535);
  return {
    placeholder: 'N|off',
    expected: `${port.expected}, or off`,
    read: (provided) => (provided === 'off' ? provided : port.read(provided)),
  };
}

/** A number of processes. `auto` is a quarter of the cores, rounded down, and at least one. */
export function gatewaysKind(): SettingKind<number> {
  const number = integerKind(1, 64);
  return {
    placeholder: 'N|auto',
    expected: `${number.expected}, or auto`,
    read: (provided) => (provided === 'auto' ? Math.max(1, Math.floor(availableParallelism() / 4)) : number.read(provided)),
  };
}

/** A share, not a percentage: 0.05 is five percent. */
export function shareKind(): SettingKind<number> {
  return {
    placeholder: 'N',
    expected: 'a number from 0 to 1',
    read(provided) {
      const value = typeof provided === 'string' && provided.trim() !== '' ? Number(provided) : provided;
      return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
    },
  };
}

/** One of a few words, spelled exactly. */
export function choiceKind<const Word extends string>(words: readonly Word[]): SettingKind<Word> {
  return {
    placeholder: words.join('|'),
    expected: `one of ${words.join(', ')}`,
    read: (provided) => words.find((word) => word === provided),
  };
}

/** A positive size in bytes. Units are powers of two only, so `MB` is rejected instead of guessed. */
export function bytesKind(): SettingKind<number> {
  const units: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
  return {
    placeholder: 'SIZE',
    expected: 'a number of bytes, or a size such as 64MiB (KiB, MiB, GiB)',
    read(provided) {
      const [, amount, unit] = /^\s*(\d+)\s*(KiB|MiB|GiB)?\s*$/.exec(textOf(provided)) ?? [];
      const value = amount === undefined ? Number.NaN : Number(amount) * (unit === undefined ? 1 : (units[unit] as number));
      return Number.isSafeInteger(value) && value > 0 ? value : undefined;
    },
  };
}

/** The smallest and the largest of some whole numbers, both inclusive: `1..10`. */
export function rangeKind(min: number, max: number): SettingKind<NumberRange> {
  return {
    placeholder: 'MIN..MAX',
    expected: `two whole numbers from ${min} to ${max} as MIN..MAX`,
    read(provided) {
      const [, low, high] = /^(\d{1,9})\.\.(\d{1,9})$/.exec(textOf(provided)) ?? [];
      const range = { min: Number(low), max: Number(high) };
      return range.min >= min && range.min <= range.max && range.max <= max ? range : undefined;
    },
  };
}

/** Both bounds are inclusive. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
}

/** What a machine has for workers: `4/16GiB`. */
export function machineSizeKind(): SettingKind<MachineSize> {
  const [cpus, memory] = [integerKind(1, 4096), bytesKind()];
  return {
    placeholder: 'CPUS/SIZE',
    expected: 'cores and memory such as 4/16GiB',
    read(provided) {
      const [cores, size, ...more] = textOf(provided).split('/');
      const [cpu, bytes] = [cpus.read(cores), memory.read(size)];
      const memoryMiB = Math.floor((bytes ?? 0) / 2 ** 20);
      return cpu === undefined || memoryMiB < 1 || more.length > 0 ? undefined : { cpuMilli: 1000 * cpu, memoryMiB };
    },
  };
}

export interface MachineSize {
  /** Thousandths of a vCPU. */
  readonly cpuMilli: number;
  readonly memoryMiB: number;
}

/** A duration, read as milliseconds; both bounds are inclusive. 0 is never allowed: a setting that can be off says so with a word. */
export function durationKind(leastMs = 0, mostMs = 86_400_000): SettingKind<number> {
  const bounds = leastMs === 0 ? 'above 0 and at most a day' : `from ${formatMs(leastMs)} to ${formatMs(mostMs)}`;
  return {
    placeholder: 'TIME',
    expected: `a time such as 500ms, 60s or 5m, ${bounds} (a bare number is seconds)`,
    read(provided) {
      try {
        const ms = parseDurationMs(textOf(provided));
        return ms > 0 && ms >= leastMs && ms <= mostMs ? ms : undefined;
      } catch {
        return undefined; // the caller reports `expected`
      }
    },
  };
}

/** An object whose members its own module checks. Not for flags: config.json only. */
export function objectKind(): SettingKind<Readonly<Record<string, unknown>>> {
  return { placeholder: 'JSON', expected: 'a JSON object', read: (provided) => (isRecord(provided) ? provided : undefined) };
}

/** Like `objectKind`, or its JSON text, as in an environment variable. */
export function objectTextKind(): SettingKind<Readonly<Record<string, unknown>>> {
  const object = objectKind();
  return { ...object, read: (provided) => object.read(typeof provided === 'string' ? parsedOrNull(provided) : provided) };
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** An array whose items its own module checks. Not for flags: config.json only. */
export function listKind(): SettingKind<readonly unknown[]> {
  return { placeholder: 'JSON', expected: 'a JSON array', read: (provided) => (Array.isArray(provided) ? provided : undefined) };
}

/** Of a string or a number. Empty for anything else: an object from a file may not be convertible. */
function textOf(provided: unknown): string {
  return typeof provided === 'string' || typeof provided === 'number' ? String(provided) : '';
}

/** Narrows parsed JSON to an object: neither null nor an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What kinds of values settings have: how each is read from a text or a JSON value, and what an error says was expected. */
import { formatMs, parseDurationMs } from '../objective.ts';
import type { Setting } from './setting.ts';

export type Kind<Value> = Pick<Setting<Value>, 'placeholder' | 'expected' | 'read'>;

export function text(placeholder: string): Kind<string> {
  return { placeholder, expected: 'a text', read: (given) => (typeof given === 'string' && given !== '' ? given : undefined) };
}

export function pattern(placeholder: string, form: RegExp, expected: string): Kind<string> {
  return { placeholder, expected, read: (given) => (typeof given === 'string' && form.test(given) ? given : undefined) };
}

export function integer(min: number, max: number): Kind<number> {
  return {
    placeholder: 'N',
    expected: `a whole number from ${min} to ${max}`,
    read(given) {
      const value = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
      return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
    },
  };
}

export function portOrOff(): Kind<number | 'off'> {
  const port = integer(0, 65_535);
  return { placeholder: 'N|off', expected: `${port.expected}, or off`, read: (given) => (given === 'off' ? given : port.read(given)) };
}

export function share(): Kind<number> {
  return {
    placeholder: 'N',
    expected: 'a number from 0 to 1',
    read(given) {
      const value = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
      return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
    },
  };
}

export function choice<const Word extends string>(words: readonly Word[]): Kind<Word> {
  return {
    placeholder: words.join('|'),
    expected: `one of ${words.join(', ')}`,
    read: (given) => words.find((word) => word === given),
  };
}

export function bytes(): Kind<number> {
  const units: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
  return {
    placeholder: 'SIZE',
    expected: 'a number of bytes, or a size such as 64MiB (KiB, MiB, GiB)',
    read(given) {
      const [, amount, unit] = /^\s*(\d+)\s*(KiB|MiB|GiB)?\s*$/.exec(String(given)) ?? [];
      const value = amount === undefined ? Number.NaN : Number(amount) * (unit === undefined ? 1 : (units[unit] as number));
      return Number.isSafeInteger(value) && value > 0 ? value : undefined;
    },
  };
}

export function duration(leastMs = 0, mostMs = 86_400_000): Kind<number> {
  const bounds = leastMs === 0 ? 'above 0 and at most a day' : `from ${formatMs(leastMs)} to ${formatMs(mostMs)}`;
  return {
    placeholder: 'TIME',
    expected: `a time such as 500ms, 60s or 5m, ${bounds} (a bare number is seconds)`,
    read(given) {
      try {
        const ms = parseDurationMs(String(given));
        return ms > 0 && ms >= leastMs && ms <= mostMs ? ms : undefined;
      } catch {
        return undefined; // the error of this table says what is expected
      }
    },
  };
}

export function object(): Kind<Readonly<Record<string, unknown>>> {
  return { placeholder: 'JSON', expected: 'a JSON object', read: (given) => (isObject(given) ? given : undefined) };
}

export function list(): Kind<readonly unknown[]> {
  return { placeholder: 'JSON', expected: 'a JSON array', read: (given) => (Array.isArray(given) ? given : undefined) };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

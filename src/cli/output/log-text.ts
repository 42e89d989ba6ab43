/** Formats a JSON log line for people. */
import type { Colour, Style } from './style.ts';

const levels: Readonly<Record<string, readonly [string, Colour]>> = {
  '10': ['trace', 'gray'],
  '20': ['debug', 'gray'],
  '30': ['info', 'green'],
  '40': ['warn', 'yellow'],
  '50': ['error', 'red'],
  '60': ['fatal', 'red'],
};

/** Lines that are not JSON stay unchanged. */
export function logText(line: string, style: Style): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  if (typeof fields !== 'object' || fields === null) return line;
  const { time, at, atMs, level, message, ...rest } = fields;
  const when = timeOf(time ?? at ?? atMs);
  const [word, colour] = levels[String(level)] ?? [typeof level === 'string' ? level : '', 'gray'];
  const shown = Object.entries(rest).filter(([, value]) => value !== null);
  const others = shown.map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const parts = [
    when === '' ? '' : style.paint('gray', when),
    word === '' ? '' : style.paint(colour, word.padEnd(5)),
    typeof message === 'string' ? message : '',
    ...others,
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function timeOf(time: unknown): string {
  if (typeof time === 'string') return time;
  return typeof time === 'number' ? new Date(time).toISOString() : '';
}

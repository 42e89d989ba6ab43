/** Parses log lines for display: time, level, message and the other fields. */
export interface LogLine {
  readonly key: number;
  readonly atMs: number | null;
  readonly level: 'debug' | 'info' | 'warn' | 'error' | null;
  readonly text: string;
  /** The other fields as `name=value`. */
  readonly rest: string;
  readonly raw: string;
}

const levels: Readonly<Record<string, LogLine['level']>> = {
  '10': 'debug',
  '20': 'debug',
  '30': 'info',
  '40': 'warn',
  '50': 'error',
  '60': 'error',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
};
const lengthMax = 400;

/** `key` must be unique in the list. Lines that are not JSON objects are shown as plain text. */
export function logLine(raw: string, key: number): LogLine {
  const fields = fieldsIn(raw);
  if (fields === null) return { key, atMs: null, level: null, text: shorten(raw), rest: '', raw };
  const { at, time, level, msg, message, ...others } = fields;
  const logged = msg ?? message;
  const stamp = typeof at === 'number' ? at : typeof time === 'number' ? time : Date.parse(String(at ?? time));
  const status = typeof others['status'] === 'string' || typeof others['status'] === 'number' ? String(others['status']) : null;
  return {
    key,
    atMs: Number.isFinite(stamp) ? stamp : null,
    level: levels[String(level)] ?? (status === null || status === 'ok' ? 'info' : 'warn'),
    text: shorten(typeof logged === 'string' ? logged : requestText(others)),
    rest: shorten(restOf(others)),
    raw,
  };
}

/** The endpoint, status and duration of a request. */
function requestText({ status, endpoint, totalMs }: Readonly<Record<string, unknown>>): string {
  if (typeof endpoint !== 'string') return '';
  const ended = typeof status === 'string' || typeof status === 'number' ? status : 'ended';
  const took = typeof totalMs === 'number' ? ` in ${totalMs < 100 ? totalMs.toFixed(1) : Math.round(totalMs)} ms` : '';
  return `${endpoint}: ${ended}${took}`;
}

function fieldsIn(raw: string): Record<string, unknown> | null {
  try {
    const fields: unknown = JSON.parse(raw);
    return typeof fields === 'object' && fields !== null && !Array.isArray(fields) ? (fields as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function restOf(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

function shorten(text: string): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
}

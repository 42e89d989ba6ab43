/** Wall clocks of time zones. Pure. */

/** Epoch milliseconds of the zone's wall clock read as UTC, so `getUTC…` returns local fields. */
export type WallClockMs = number;

const formats = new Map<string, Intl.DateTimeFormat | null>();
const cachedZonesMax = 1000;

/** Whether the zone is known, such as `Europe/Berlin`. */
export function isTimeZone(zone: string): boolean {
  return formatOf(zone) !== null;
}

/** The wall clock of a zone at a moment. */
export function wallClockMs(atMs: number, zone: string): WallClockMs {
  const format = zone === 'UTC' ? null : formatOf(zone);
  if (format === null) return atMs;
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(atMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The moment of a wall clock time. A skipped time moves by the length of the gap; a repeated one means either moment. */
export function momentOf(wallMs: WallClockMs, zone: string): number {
  const guessMs = wallMs - (wallClockMs(wallMs, zone) - wallMs);
  return wallMs - (wallClockMs(guessMs, zone) - guessMs);
}

function formatOf(zone: string): Intl.DateTimeFormat | null {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const created = newFormat(zone);
  if (formats.size < cachedZonesMax) formats.set(zone, created);
  return created;
}

function newFormat(timeZone: string): Intl.DateTimeFormat | null {
  const two = '2-digit';
  const fields = { year: 'numeric', month: two, day: two, hour: two, minute: two, second: two, hourCycle: 'h23' } as const;
  try {
    return /^[A-Za-z][\w/+-]{0,63}$/.test(timeZone) ? new Intl.DateTimeFormat('en-US', { timeZone, ...fields }) : null;
  } catch {
    return null; // unknown zone
  }
}

/** Wall clocks of the world's time zones. Pure. */

/** Epoch milliseconds as if the wall clock of the zone showed UTC: `getUTC…` reads what the clock on the wall says. */
export type WallClockMs = number;

const formats = new Map<string, Intl.DateTimeFormat | null>();
const zonesRemembered = 1000;

/** Whether such a zone is known: `Europe/Berlin`. */
export function isTimeZone(zone: string): boolean {
  return formatOf(zone) !== null;
}

/** What the clocks of a zone show at a moment. */
export function wallClockMs(atMs: number, zone: string): WallClockMs {
  const format = zone === 'UTC' ? null : formatOf(zone);
  if (format === null) return atMs;
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(atMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** When the clocks of a zone show that; where they skip it, so much later as they skip, and where twice, one of both. */
export function momentOf(wallMs: WallClockMs, zone: string): number {
  const guessMs = wallMs - (wallClockMs(wallMs, zone) - wallMs);
  return wallMs - (wallClockMs(guessMs, zone) - guessMs);
}

function formatOf(zone: string): Intl.DateTimeFormat | null {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const made = newFormat(zone);
  if (formats.size < zonesRemembered) formats.set(zone, made);
  return made;
}

function newFormat(timeZone: string): Intl.DateTimeFormat | null {
  const two = '2-digit';
  const fields = { year: 'numeric', month: two, day: two, hour: two, minute: two, second: two, hourCycle: 'h23' } as const;
  try {
    return /^[A-Za-z][\w/+-]{0,63}$/.test(timeZone) ? new Intl.DateTimeFormat('en-US', { timeZone, ...fields }) : null;
  } catch {
    return null; // no such zone
  }
}

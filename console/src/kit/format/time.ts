/** Formats points in time, in UTC or local time. One switch next to the time range applies to the whole console. */
import { useSyncExternalStore } from 'react';

const key = 'penstock-time-zone';
let isUtc = read() !== 'local';
const listeners = new Set<() => void>();

function read(): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Whether times are shown in UTC, and a setter. */
export function useUtc(): [boolean, (utc: boolean) => void] {
  const utc = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => isUtc,
  );
  return [utc, setUtc];
}

function setUtc(utc: boolean): void {
  isUtc = utc;
  try {
    localStorage.setItem(key, utc ? 'utc' : 'local');
  } catch {
    // Without storage the choice lasts until the page is reloaded.
  }
  for (const listener of listeners) listener();
}

const two = (value: number): string => String(value).padStart(2, '0');
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function parts(epochMs: number): { hours: number; minutes: number; seconds: number; day: number; month: string; date: string } {
  const at = new Date(epochMs);
  const [hours, minutes, seconds] = isUtc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const [year, month, day] = isUtc
    ? [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()]
    : [at.getFullYear(), at.getMonth(), at.getDate()];
  return { hours, minutes, seconds, day, month: months[month] ?? '', date: `${year}-${two(month + 1)}-${two(day)}` };
}

/** `14:52` */
export function clockTime(epochMs: number): string {
  const { hours, minutes } = parts(epochMs);
  return `${two(hours)}:${two(minutes)}`;
}

/** `14:52:07` */
export function exactTime(epochMs: number): string {
  return `${clockTime(epochMs)}:${two(parts(epochMs).seconds)}`;
}

/** `12 Nov` */
export function dayOf(epochMs: number): string {
  const { day, month } = parts(epochMs);
  return `${day} ${month}`;
}

/** `2026-11-24 14:52:07 UTC`, for tooltips and copied text. */
export function fullTime(epochMs: number): string {
  return `${parts(epochMs).date} ${exactTime(epochMs)}${isUtc ? ' UTC' : ''}`;
}

/** The time of day for today, else the date. */
export function shortTime(epochMs: number, nowMs: number): string {
  return parts(epochMs).date === parts(nowMs).date ? clockTime(epochMs) : dayOf(epochMs);
}

/** `4 min ago`, `in 12 s`, `now`. */
export function relative(epochMs: number, nowMs: number): string {
  const seconds = Math.round((nowMs - epochMs) / 1000);
  const size = Math.abs(seconds);
  if (size < 2) return 'now';
  const [value, unit] =
    size < 60 ? [size, 's'] : size < 3600 ? [size / 60, 'min'] : size < 48 * 3600 ? [size / 3600, 'h'] : [size / 86_400, 'd'];
  const text = `${Math.floor(value)} ${unit}`;
  return seconds >= 0 ? `${text} ago` : `in ${text}`;
}

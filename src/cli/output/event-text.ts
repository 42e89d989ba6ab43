/** Summarizes the detail of an event in one line, without its kind and subject. */
import type { EventBody, UpdateBody } from '../../api/index.ts';
import { durationText, formatMsText, formatUsd, shortened, utcText } from './format.ts';
import { settingsText } from './settings-text.ts';

const textMax = 200;
/** Characters. Longer values are left to `--output json`. */
const memberMax = 60;
/** Implied by the kind, or meaningless without omitted fields. */
const omittedDetails = new Set(['generation', 'status', 'moreSettings', 'moreStaying']);

/** `OK -> ALARM: 93 % of …`, `digits/1 -> digits/2 by ops`, `share 20 %, bake 20 s` */
export function eventText({ detail }: Pick<EventBody, 'detail'>): string {
  if (typeof detail !== 'object' || detail === null) return detail === null ? '' : shortened(JSON.stringify(detail), textMax);
  const { from, to, oldState, newState, who, reason, ...others } = detail as Readonly<Record<string, unknown>>;
  const change = [wordOf(oldState ?? from), wordOf(newState ?? to)];
  const facts = Object.entries(others)
    .filter(([name, value]) => !omittedDetails.has(name) && wordOf(value) !== '' && wordOf(value).length <= memberMax)
    .map(([name, value]) => factText(name, value));
  const begin = [change[1] === '' ? '' : change.filter((word) => word !== '').join(' -> '), who === undefined ? '' : `by ${wordOf(who)}`];
  const changed = changedText(others);
  const parts = [begin.filter((word) => word !== '').join(' '), wordOf(reason), changed, facts.join(', ')].filter((part) => part !== '');
  if (parts.length === 0 && typeof others['generation'] === 'number') return `generation ${others['generation']}`;
  return shortened(parts.join(': '), textMax);
}

/** The changed settings. Events of other sources may have any value under that name. */
function changedText({ settings, moreSettings = 0 }: Readonly<Record<string, unknown>>): string {
  const areSettings = Array.isArray(settings) && settings.every((each) => typeof each === 'object' && each !== null && 'setting' in each);
  return areSettings ? settingsText(settings as UpdateBody['settings'], Number(moreSettings)) : '';
}

/** Texts of booleans whose name alone does not explain them. */
const booleanTexts: Readonly<Record<string, readonly [yes: string, no: string]>> = {
  sawRequests: ['saw requests', 'saw no requests'],
  withMachine: ['with its machine', 'its machine kept running'],
};
/** Larger millisecond values are points in time: no duration lasts years. */
const durationMsMax = 1e11;
/** The latest time that a `Date` can represent. */
const timeMsMax = 8.64e15;

/** Formats a field with its unit: `lastSignMs` becomes `last sign 2026-11-27 09:00:00 UTC`. */
function factText(name: string, value: unknown): string {
  if (typeof value === 'boolean') {
    const [yes, no] = booleanTexts[name] ?? [wordsOf(name), `not ${wordsOf(name)}`];
    return value ? yes : no;
  }
  if (typeof value !== 'number') return `${wordsOf(name)} ${wordOf(value)}`;
  const [, stem = '', unit = ''] = /^(.*?)(Ms|MiB|Usd)$/.exec(name) ?? [];
  if (unit === 'Ms' && Math.abs(value) <= timeMsMax)
    return `${wordsOf(stem)} ${value > durationMsMax ? utcText(new Date(value).toISOString()) : lengthText(value)}`;
  if (unit === 'MiB') return `${wordsOf(stem)} ${value} MiB`;
  if (unit === 'Usd') return `${wordsOf(stem)} ${formatUsd(value)}`;
  if (/^share$|Share$/.test(name)) return `${wordsOf(name)} ${Math.round(1000 * value) / 10} %`;
  return `${wordsOf(name)} ${value}`;
}

function lengthText(ms: number): string {
  return ms < 120_000 ? formatMsText(ms) : durationText(ms / 1000);
}

/** `batchMax` becomes `batch max`, `isWarm` becomes `warm`. */
function wordsOf(name: string): string {
  return name
    .replace(/^is(?=[A-Z])/, '')
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase();
}

/** Empty for objects and arrays of objects. */
function wordOf(value: unknown): string {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string') ? value.join(' and ') : '';
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}

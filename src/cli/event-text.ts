/** What an event says beyond its kind and subject, in short. */
import type { EventBody, UpdateBody } from '../api/index.ts';
import { settingsText } from './settings-text.ts';
import { durationText, msText, shortened, usdText, utcText } from './words.ts';

const textMax = 200;
/** What is longer is for programs. */
const memberMax = 60;
/** Said by the kind, or of no use without the rest. */
const untold = new Set(['generation', 'status', 'moreSettings', 'moreStaying']);

/** `OK -> ALARM: 93 % of …`, `digits/1 -> digits/2 by ops`, `share 20 %, bake 20 s` */
export function eventText({ detail }: Pick<EventBody, 'detail'>): string {
  if (typeof detail !== 'object' || detail === null) return detail === null ? '' : shortened(JSON.stringify(detail), textMax);
  const { from, to, oldState, newState, who, reason, ...others } = detail as Readonly<Record<string, unknown>>;
  const change = [wordOf(oldState ?? from), wordOf(newState ?? to)];
  const facts = Object.entries(others)
    .filter(([name, value]) => !untold.has(name) && wordOf(value) !== '' && wordOf(value).length <= memberMax)
    .map(([name, value]) => factText(name, value));
  const begin = [change[1] === '' ? '' : change.filter((word) => word !== '').join(' -> '), who === undefined ? '' : `by ${wordOf(who)}`];
  const changed = changedText(others);
  const parts = [begin.filter((word) => word !== '').join(' '), wordOf(reason), changed, facts.join(', ')].filter((part) => part !== '');
  if (parts.length === 0 && typeof others['generation'] === 'number') return `generation ${others['generation']}`;
  return shortened(parts.join(': '), textMax);
}

/** Which settings were changed; events of others may have anything under that name. */
function changedText({ settings, moreSettings = 0 }: Readonly<Record<string, unknown>>): string {
  const isTold = Array.isArray(settings) && settings.every((each) => typeof each === 'object' && each !== null && 'setting' in each);
  return isTold ? settingsText(settings as UpdateBody['settings'], Number(moreSettings)) : '';
}

/** What yes and no mean where a name alone does not say it. */
const answers: Readonly<Record<string, readonly [yes: string, no: string]>> = {
  sawRequests: ['saw requests', 'saw no requests'],
  withMachine: ['with its machine', 'its machine went on'],
};
/** Larger numbers of milliseconds are times: durations of years there are none. */
const durationMsMax = 1e11;
/** No date can be later. */
const timeMsMax = 8.64e15;

/** A name of programs in words, its unit where it belongs: `lastSignMs` is `last sign 2026-11-27 09:00:00 UTC`. */
function factText(name: string, value: unknown): string {
  if (typeof value === 'boolean') {
    const [yes, no] = answers[name] ?? [wordsOf(name), `not ${wordsOf(name)}`];
    return value ? yes : no;
  }
  if (typeof value !== 'number') return `${wordsOf(name)} ${wordOf(value)}`;
  const [, stem = '', unit = ''] = /^(.*?)(Ms|MiB|Usd)$/.exec(name) ?? [];
  if (unit === 'Ms' && Math.abs(value) <= timeMsMax)
    return `${wordsOf(stem)} ${value > durationMsMax ? utcText(new Date(value).toISOString()) : lengthText(value)}`;
  if (unit === 'MiB') return `${wordsOf(stem)} ${value} MiB`;
  if (unit === 'Usd') return `${wordsOf(stem)} ${usdText(value)}`;
  if (/^share$|Share$/.test(name)) return `${wordsOf(name)} ${Math.round(1000 * value) / 10} %`;
  return `${wordsOf(name)} ${value}`;
}

function lengthText(ms: number): string {
  return ms < 120_000 ? msText(ms) : durationText(ms / 1000);
}

/** `batchMax` is `batch max`, `isWarm` is `warm`. */
function wordsOf(name: string): string {
  return name
    .replace(/^is(?=[A-Z])/, '')
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase();
}

/** Nothing of what has members of its own. */
function wordOf(value: unknown): string {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string') ? value.join(' and ') : '';
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}

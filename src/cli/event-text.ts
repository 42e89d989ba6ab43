/** What an event says beyond its kind and subject, in short. */
import type { EventBody, UpdateBody } from '../api/index.ts';
import { settingsText } from './updates-table.ts';
import { shortened } from './words.ts';

const textMax = 200;
/** What is longer is for programs. */
const memberMax = 60;
/** Said by the kind, or of no use without the rest. */
const untold = new Set(['generation', 'status', 'moreSettings']);

/** `OK -> ALARM: 93 % of …`, `digits/1 -> digits/2 by ops`, `executor=instance:local.1, batchMax=64` */
export function eventText({ detail }: Pick<EventBody, 'detail'>): string {
  if (typeof detail !== 'object' || detail === null) return detail === null ? '' : shortened(JSON.stringify(detail), textMax);
  const { from, to, oldState, newState, who, reason, ...others } = detail as Readonly<Record<string, unknown>>;
  const change = [wordOf(oldState ?? from), wordOf(newState ?? to)];
  const facts = Object.entries(others)
    .filter(([name, value]) => !untold.has(name) && wordOf(value) !== '' && wordOf(value).length <= memberMax)
    .map(([name, value]) => `${name}=${wordOf(value)}`);
  const begin = [change[1] === '' ? '' : change.filter((word) => word !== '').join(' -> '), who === undefined ? '' : `by ${wordOf(who)}`];
  const changed = changedText(others);
  const parts = [begin.filter((word) => word !== '').join(' '), wordOf(reason), changed, facts.join(', ')].filter((part) => part !== '');
  return shortened(parts.join(': '), textMax);
}

/** Which settings were changed; events of others may have anything under that name. */
function changedText({ settings, moreSettings = 0 }: Readonly<Record<string, unknown>>): string {
  const isTold = Array.isArray(settings) && settings.every((each) => typeof each === 'object' && each !== null && 'setting' in each);
  return isTold ? settingsText(settings as UpdateBody['settings'], Number(moreSettings)) : '';
}

/** Nothing of what has members of its own. */
function wordOf(value: unknown): string {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string') ? value.join(' and ') : '';
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}

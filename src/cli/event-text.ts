/** What an event says beyond its kind and subject, in short. */
import type { EventBody } from '../api/index.ts';
import { shortened } from './words.ts';

const textMax = 200;
/** What is longer is for programs. */
const memberMax = 60;
/** Said by the kind, or of no use without the rest. */
const untold = new Set(['generation', 'status']);

/** `OK -> ALARM: 93 % of …`, `digits/1 -> digits/2 by ops`, `executor=instance:local.1, batchMax=64` */
export function eventText({ detail }: Pick<EventBody, 'detail'>): string {
  if (typeof detail !== 'object' || detail === null) return detail === null ? '' : shortened(JSON.stringify(detail), textMax);
  const { from, to, oldState, newState, who, reason, ...others } = detail as Readonly<Record<string, unknown>>;
  const change = [wordOf(oldState ?? from), wordOf(newState ?? to)];
  const facts = Object.entries(others)
    .filter(([name, value]) => !untold.has(name) && wordOf(value) !== '' && wordOf(value).length <= memberMax)
    .map(([name, value]) => `${name}=${wordOf(value)}`);
  const begin = [change[1] === '' ? '' : change.filter((word) => word !== '').join(' -> '), who === undefined ? '' : `by ${wordOf(who)}`];
  const parts = [begin.filter((word) => word !== '').join(' '), wordOf(reason), facts.join(', ')].filter((part) => part !== '');
  return shortened(parts.join(': '), textMax);
}

/** Nothing of what has members of its own. */
function wordOf(value: unknown): string {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string') ? value.join(' and ') : '';
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}

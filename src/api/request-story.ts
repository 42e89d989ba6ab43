/** Where the time of a request went and why, in sentences, from its line in the log and what had been decided before it came. */
import type { Decision } from '../monitoring/index.ts';
import type { RanBefore } from './ran-before.ts';
import type { RequestBody } from './request-bodies.ts';

/** In the order in which one would ask. */
export function storyOf(
  request: Omit<RequestBody, 'explanation'>,
  decisions: readonly Decision[],
  before: RanBefore | null = null,
): string[] {
  return [
    outcome(request),
    duringUpdate(request),
    timesInWords(request),
    ...(before === null ? [] : [behind(before)]),
    company(request),
    ...(request.cold_start
      ? ['Its batch was the first of a new function environment, whose start is billed with it: that is a part of its wait.']
      : []),
    ...(request.overflow === null ? [] : [overflowReasons[request.overflow] ?? `A function ran it: ${request.overflow}.`]),
    ...decisions.map((decision) => decided(decision)),
  ].filter((sentence) => sentence !== '');
}

function outcome({ id, endpoint, variant, version, status, at, timings, error }: Omit<RequestBody, 'explanation'>): string {
  const to = `Request ${id} to ${endpoint} (variant ${variant}, version ${version})`;
  const took = `${ms(timings.total_ms)}, at ${at}`;
  if (status === 'ok') return `${to} was answered after ${took}.`;
  if (status === 'cancelled') return `${to} was given up by its client after ${took}.`;
  return `${to} failed after ${took}: ${status}${error === null ? '' : `, ${error.replace(/\.$/, '')}`}.`;
}

/** Two versions serve then, and which of them a request hit is chance. */
function duringUpdate({ update, version }: Omit<RequestBody, 'explanation'>): string {
  if (update === null) return '';
  const { from, to, share_percent: share } = update;
  const what = `An update from ${from.join(' and ')} to ${to.join(' and ')} was under way when it came`;
  if (share === null) return `${what}; its workers were starting.`;
  const told = `${what}: ${share} % of the requests went to the new version`;
  const [hit, ...others] = new Set([...from, ...to].filter((model) => model.endsWith(`/${version}`)));
  // Another model's version may bear the same number.
  if (hit === undefined || others.length > 0) return `${told}.`;
  return `${told}, and it hit ${from.includes(hit) ? hit : 'the new version'}.`;
}

function timesInWords({ timings, executor, rows_ahead: ahead }: Omit<RequestBody, 'explanation'>): string {
  // Nobody was ahead of it, and not none either: it was never placed.
  if (executor === null && ahead === null) {
    const how = timings.body_ms < 1 ? 'as it stood' : `when its body had been coming for ${ms(timings.body_ms)}`;
    return `It never waited for anybody: it was refused ${how}.`;
  }
  const { batch_wait_ms: kept, executor_wait_ms: waited, compute_ms: computed, encode_ms: encoded, other_ms: other } = timings;
  const parts = [
    { timeMs: kept, name: 'the wait for company', told: `its batch was kept for company for ${ms(kept)}` },
    executor === null
      ? { timeMs: waited, name: 'the wait', told: `it waited ${ms(waited)} and never ran` }
      : { timeMs: waited, name: 'the wait for somebody to be free', told: `it waited ${ms(waited)} for somebody to be free` },
    { timeMs: computed, name: 'the run', told: executor === null ? `it ran ${ms(computed)}` : `it ran ${ms(computed)} on ${executor}` },
    { timeMs: encoded, name: 'the answer', told: `its answer took ${ms(encoded)} to be encoded and sent` },
    { timeMs: other, name: 'the wait of the answer', told: `its answer waited ${ms(other)} for others, or for the server` },
  ].filter(({ timeMs }) => timeMs >= 0.05 || timeMs >= timings.total_ms / 20);
  const [largest] = [...parts].sort((one, another) => another.timeMs - one.timeMs);
  if (largest === undefined) return '';
  const told = parts.map((part) => part.told).join('; ');
  if (parts.length === 1) return `All of it: ${told}.`;
  const share = Math.round((100 * largest.timeMs) / Math.max(timings.total_ms, largest.timeMs));
  return `Of that, ${told}. The largest part was ${largest.name}, ${share} %.`;
}

function behind({ request, rows, executor, sinceMs, restMs }: RanBefore): string {
  return `When it came, a batch of ${count(rows, 'row')} (${request}) had been running on ${executor} for ${ms(sinceMs)}, and ran for another ${ms(restMs)}.`;
}

function company(request: Omit<RequestBody, 'explanation'>): string {
  const { rows, parts, rows_ahead: ahead, batch_rows: batchRows, batch_requests: together, close_reason: reason } = request;
  const waiting = ahead === null ? '' : ahead === 0 ? 'Nobody waited when it came. ' : `${count(ahead, 'row')} waited when it came. `;
  if (reason === null) return waiting.trimEnd();
  const others = together === null ? '' : together === 1 ? ', it alone' : `, of ${together} requests`;
  if (parts > 1) {
    const first = `The first left with ${count(batchRows, 'row')}, because ${closeReasons[reason] ?? `of ${reason}`}.`;
    return `${waiting}Its ${count(rows, 'row')} are more than a batch holds: they ran as ${parts}. ${first}`;
  }
  const left = `Its batch left with ${count(batchRows, 'row')} (${rows} its own${others})`;
  return `${waiting}${left}, because ${closeReasons[reason] ?? `of ${reason}`}.`;
}

const closeReasons: Readonly<Record<string, string>> = {
  idle: 'somebody was free to take it, or had just become so',
  full: 'it was full',
  ahead: 'company would have made it hardly cheaper: it was to be at hand when the batch before it was done',
  slack: 'waiting longer would have broken the promise to its most urgent request',
  'next-would-miss': 'with the next request in it, its most urgent one would have been late',
  timeout: 'its first request had waited as long as a batch may',
  rescue: 'no instance would have answered it in time any more, and a function still could',
  flush: 'nobody was to come any more: its workers were being replaced or ended',
};

const overflowReasons: Readonly<Record<string, string>> = {
  predicted: 'A function ran it, because no instance would have answered it in time as it came.',
  rescue: 'A function ran it, because at the last moment at which one still could, no instance had got to it.',
  capacity: 'A function ran it, because instances had been lost.',
};

function decided({ kind, atMs, variant, explanation, reason }: Decision): string {
  const why = (explanation === '' ? reason : explanation).replace(/\.?$/, '.');
  return `The last ${kind} decision for ${variant} before it came, of ${new Date(atMs).toISOString()}: ${why}`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}

function ms(value: number): string {
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ms`;
}

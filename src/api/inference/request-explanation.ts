/** Explains where the time of a request went and why, in sentences, from its log line and the decisions made before it arrived. */
import type { Decision } from '../../records/index.ts';
import type { PrecedingBatch } from './preceding-batch.ts';
import type { RequestBody } from './request-bodies.ts';

/** Outcome first, then times, queue and batch, then the decisions that applied. */
export function explainRequest(
  request: Omit<RequestBody, 'explanation'>,
  decisions: readonly Decision[],
  before: PrecedingBatch | null = null,
): string[] {
  return [
    outcome(request),
    duringUpdate(request),
    timesText(request),
    ...(before === null ? [] : [precedingText(before)]),
    batchText(request),
    planText(request),
    ...(request.cold_start
      ? ['Its batch was the first in a new function environment: the cold start is part of its wait and is billed with the batch.']
      : []),
    ...(request.overflow === null ? [] : [overflowReasons[request.overflow] ?? `A function ran it: ${request.overflow}.`]),
    ...decisions.map((decision) => decisionText(decision)),
  ].filter((sentence) => sentence !== '');
}

function outcome({ id, endpoint, variant, version, status, at, timings, error }: Omit<RequestBody, 'explanation'>): string {
  const to = `Request ${id} to ${endpoint} (variant ${variant}, version ${version})`;
  const took = `${ms(timings.total_ms)}, at ${at}`;
  if (status === 'ok') return `${to} was answered after ${took}.`;
  if (status === 'cancelled') return `${to} was cancelled by its client after ${took}.`;
  return `${to} failed after ${took}: ${status}${error === null ? '' : `, ${error.replace(/\.$/, '')}`}.`;
}

/** During an update two versions serve, and each request is routed to one at random. */
function duringUpdate({ update, version }: Omit<RequestBody, 'explanation'>): string {
  if (update === null) return '';
  const { from, to, share_percent: share } = update;
  const arrived = `It arrived during an update from ${from.join(' and ')} to ${to.join(' and ')}`;
  if (share === null) return `${arrived}, while the new workers were starting.`;
  const traffic = `${arrived}, with ${share} % of traffic on the new version`;
  const [routedTo, ...others] = new Set([...from, ...to].filter((model) => model.endsWith(`/${version}`)));
  // Another model's version can have the same number.
  if (routedTo === undefined || others.length > 0) return `${traffic}.`;
  return `${traffic}, and was routed to ${routedTo}.`;
}

function timesText({ timings, executor, rows_ahead: ahead }: Omit<RequestBody, 'explanation'>): string {
  // An unknown number of rows ahead means that the request was never queued.
  if (executor === null && ahead === null) {
    if (timings.body_ms < 1) return 'It was rejected on arrival and never queued.';
    return `It was rejected ${ms(timings.body_ms)} after its body began to arrive, and never queued.`;
  }
  const { batch_wait_ms: batchWait, executor_wait_ms: waited, compute_ms: computed, encode_ms: encoded, other_ms: other } = timings;
  const parts = [
    { timeMs: batchWait, name: 'Holding the batch open', text: `its batch was held open for ${ms(batchWait)} for more requests` },
    executor === null
      ? { timeMs: waited, name: 'Waiting', text: `it waited ${ms(waited)} and never ran` }
      : { timeMs: waited, name: 'Waiting for a free executor', text: `it waited ${ms(waited)} for a free executor` },
    { timeMs: computed, name: 'Running', text: executor === null ? `it ran ${ms(computed)}` : `it ran ${ms(computed)} on ${executor}` },
    { timeMs: encoded, name: 'Encoding and sending', text: `encoding and sending the response took ${ms(encoded)}` },
    { timeMs: other, name: 'The wait of the response', text: `the response waited ${ms(other)} for other requests or the server` },
  ].filter(({ timeMs }) => timeMs >= 0.05 || timeMs >= timings.total_ms / 20);
  const [largest] = [...parts].sort((one, another) => another.timeMs - one.timeMs);
  if (largest === undefined) return '';
  const text = parts.map((part) => part.text).join('; ');
  if (parts.length === 1) return `All of that time: ${text}.`;
  const share = Math.round((100 * largest.timeMs) / Math.max(timings.total_ms, largest.timeMs));
  return `Of that, ${text}. ${largest.name} took the largest share: ${share} %.`;
}

function precedingText({ request, rows, executor, sinceMs, remainingMs }: PrecedingBatch): string {
  const batch = `a batch of ${count(rows, 'row')} (${request})`;
  return `When it arrived, ${executor} was running ${batch}; that batch had been running for ${ms(sinceMs)} and took ${ms(remainingMs)} more.`;
}

function batchText(request: Omit<RequestBody, 'explanation'>): string {
  const { rows, parts, rows_ahead: ahead, batch_rows: batchRows, batch_requests: batchRequests, close_reason: reason } = request;
  const queued = queueText(ahead);
  if (reason === null) return queued.trimEnd();
  const why = `because ${closeReasons[reason] ?? `of ${reason}`}`;
  if (parts > 1) {
    const first = `The first was dispatched with ${count(batchRows, 'row')} ${why}.`;
    return `${queued}Its ${count(rows, 'row')} exceed the batch size and were split into ${parts} batches. ${first}`;
  }
  const others = batchRequests === null ? '' : batchRequests === 1 ? ', no other request' : `, ${batchRequests} requests in all`;
  return `${queued}Its batch was dispatched with ${count(batchRows, 'row')} (${rows} its own${others}) ${why}.`;
}

/** Which model answered, and why the batch had no more accurate plan. */
function planText({ plan, rows }: Omit<RequestBody, 'explanation'>): string {
  if (plan === null) return '';
  const { first, second, went_on: wentOn, failed, threshold, confidence_min: confidence, rung, of, held_back: heldBack } = plan;
  const answered = rows - wentOn + failed;
  const sure = confidence === null ? '' : ` (confidence ${confidence}, below ${Number((1 - threshold).toPrecision(4))})`;
  const onText = `${count(wentOn, 'row')}${sure} went on to ${second}`;
  const failedText = failed === 0 ? '' : `, which failed on ${failed} of them`;
  const who =
    wentOn === 0
      ? `${first} answered ${rows === 1 ? 'its row' : `all ${rows} rows`}`
      : answered === 0
        ? `All ${onText}`
        : `${first} answered ${answered} of its ${rows} rows; ${onText}${failedText}`;
  return `${who}. ${rungText(plan, heldBack, rung === of)}`;
}

function rungText(
  { rung, of, rows_waiting: waiting }: NonNullable<RequestBody['plan']>,
  heldBack: NonNullable<RequestBody['plan']>['held_back'],
  isTop: boolean,
): string {
  const ran = `The batch ran on rung ${rung} of ${of}`;
  if (heldBack === null)
    return isTop && waiting > 0
      ? `${ran}, the most accurate: all ${count(waiting, 'row')} that waited would be in time under it.`
      : `${ran}.`;
  const late = `would have been answered ${ms(heldBack.late_ms)} late`;
  const which = { first: 'its first request', last: `the last of ${waiting} waiting rows`, next: 'a request that arrives next' }[
    heldBack.request
  ];
  return `${ran}: under rung ${heldBack.rung}, ${which} ${late}.`;
}

function queueText(rowsAhead: number | null): string {
  if (rowsAhead === null) return '';
  if (rowsAhead === 0) return 'The queue was empty on arrival. ';
  return `${count(rowsAhead, 'row')} ${rowsAhead === 1 ? 'was' : 'were'} queued ahead of it. `;
}

const closeReasons: Readonly<Record<string, string>> = {
  idle: 'an executor was idle',
  full: 'it was full',
  ahead: 'a larger batch would hardly be cheaper, so it was sent ahead to start as soon as the previous one finished',
  company: 'an executor was idle, and had waited a moment because more rows cost nothing',
  slack: 'waiting longer would have missed the objective of its most urgent request',
  'next-would-miss': 'adding the next request would have made its most urgent request late',
  timeout: 'its first request had waited for the maximum batch delay',
  late: 'it could no longer meet the objective, and no request that still could was waiting, or its share of the time was due',
  rescue: 'no instance could still answer it in time, but a function still could',
  flush: 'its workers were shutting down',
};

const overflowReasons: Readonly<Record<string, string>> = {
  predicted: 'A function ran it: on arrival, no instance was expected to answer it in time.',
  rescue: 'A function ran it: no instance had become free by the last moment at which a function could still meet the objective.',
  capacity: 'A function ran it: instances had been lost.',
};

function decisionText({ kind, atMs, variant, explanation, reason }: Decision): string {
  const why = (explanation === '' ? reason : explanation).replace(/\.?$/, '.');
  return `The last ${kind} decision for ${variant} before it arrived (${new Date(atMs).toISOString()}): ${why}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function ms(value: number): string {
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ms`;
}

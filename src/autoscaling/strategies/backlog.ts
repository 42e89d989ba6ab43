/** Strategy `backlog`: as many instances as finish the queued asynchronous requests in time. */
import type { BacklogObservation } from './observation.ts';
import { primaryType, ruleCountResult, type StrategyInput, type StrategyResult } from './strategy.ts';

/** What recent backlogs needed, so that instances are not removed between two waves. */
export interface BacklogMemory {
  /** Numbers of instances that recent backlogs needed. */
  readonly needed: readonly { readonly atMs: number; readonly instances: number }[];
}

/** Instances stay for this time after they were last needed, because idle ones between two bursts cost less than restarts. */
export const backlogIdleMs = 60_000;
/** If the oldest request is overdue, this share of the objective counts as its remaining time. */
const allowedShareMin = 0.1;
/** Assumed requests per concurrency slot while the processing time is unknown. */
const roundsUnknown = 4;

/** `memory`: null at the first decision, which assumes that the current instances are needed. */
export function backlog(memory: BacklogMemory | null, input: StrategyInput): StrategyResult<BacklogMemory> {
  const { nowMs, observation } = input;
  const { have } = primaryType(input);
  const queue = observation.backlog ?? null;
  if (queue === null) return ruleCountResult(input, memory ?? { needed: [] }, have, 'the current number is held: no backlog is known');
  const recent = (memory?.needed ?? [{ atMs: nowMs, instances: have }]).filter(({ atMs }) => atMs > nowMs - backlogIdleMs);
  const { instances, why } = neededFor(queue);
  const retained = Math.max(instances, Math.min(have, Math.max(0, ...recent.map((each) => each.instances))));
  const isRetained = queue.requests === 0 && retained > 0;
  return ruleCountResult(
    input,
    { needed: [...recent, { atMs: nowMs, instances }] },
    retained,
    isRetained ? 'no requests, but some arrived recently' : why,
  );
}

/**
 * One instance as soon as a request waits, and more if one would be too slow. For a backlog of q requests, of which an instance
 * processes c at a time in w each, n instances need  q w / (n c).  This must fit into the remaining time of the oldest request.
 */
function neededFor({ requests, oldestMs, objectiveMs, workMs, concurrency }: BacklogObservation): { instances: number; why: string } {
  if (requests === 0) return { instances: 0, why: 'no requests' };
  const remainingMs = Math.max(objectiveMs - oldestMs, objectiveMs * allowedShareMin);
  const each = workMs === null ? roundsUnknown * concurrency : Math.max((remainingMs * concurrency) / Math.max(workMs, 1), 1);
  const queued = `${requests} ${requests === 1 ? 'request' : 'requests'}, the oldest ${seconds(oldestMs)} old`;
  const why = `${queued}: one instance processes ${Math.floor(each)} in the remaining ${seconds(remainingMs)}`;
  return { instances: Math.max(1, Math.ceil(requests / each)), why };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

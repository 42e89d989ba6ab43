/** How an endpoint stands, in a word and a mark: what is wrong with it comes first. */
import type { OverviewEndpointBody } from '../../../src/api/index.ts';
import { parseObjective } from '../kit/format.ts';
import type { StateKind } from '../kit/state-mark.tsx';

export interface EndpointState {
  readonly kind: StateKind;
  readonly word: string;
  /** The lower, the more it needs a look. */
  readonly rank: number;
}

type Stands = Pick<
  OverviewEndpointBody,
  'status' | 'objective' | 'in_time_last_hour' | 'rate' | 'instances_ready' | 'instances_wanted' | 'has_functions' | 'alarms'
>;

export function endpointState(endpoint: Stands): EndpointState {
  const { status, instances_ready: ready, instances_wanted: wanted, alarms } = endpoint;
  if (status === 'Failed') return { kind: 'bad', word: 'Failed', rank: 0 };
  if (isOverObjective(endpoint)) return { kind: 'warn', word: 'Over objective', rank: 1 };
  if (alarms > 0) return { kind: 'warn', word: alarms === 1 ? 'Alarm rings' : `${alarms} alarms ring`, rank: 1 };
  if (status === 'Creating') return { kind: 'changing', word: wanted > 0 ? `Starting, ${ready} of ${wanted}` : 'Starting', rank: 2 };
  if (status === 'Updating') return { kind: 'changing', word: 'Updating', rank: 2 };
  if (status === 'RollingBack') return { kind: 'warn', word: 'Rolling back', rank: 1 };
  if (status === 'Deleting') return { kind: 'changing', word: 'Deleting', rank: 2 };
  if (status === 'Unloaded') return { kind: 'zero', word: 'Stopped', rank: 4 };
  if (ready === 0 && endpoint.rate === 0) return { kind: 'zero', word: 'At zero', rank: 4 };
  return { kind: 'ok', word: 'In service', rank: 3 };
}

/**
 * Whether less was in time in the last hour than is promised, whatever time is shown, as the shell judges it: one percentile of a short
 * while says nothing about a promise. Only what has traffic can be late.
 */
export function isOverObjective({
  objective,
  in_time_last_hour: inTime,
  rate,
}: Pick<Stands, 'objective' | 'in_time_last_hour' | 'rate'>): boolean {
  return rate > 0 && isBelowPromise(inTime, objective);
}

/** A mean of minutes that are all just as promised is rounded, not below the promise. */
const roundingPercent = 1e-6;

/** Whether less was in time than is promised; not where nobody came, nor where nothing is promised. */
export function isBelowPromise(inTime: number | null, objective: string | null): boolean {
  const promise = parseObjective(objective);
  return promise !== null && inTime !== null && inTime * 100 < promise.percentile - roundingPercent;
}

/** Those in trouble first, then those with the most traffic. */
export function byTrouble(a: OverviewEndpointBody, b: OverviewEndpointBody): number {
  return endpointState(a).rank - endpointState(b).rank || b.rate - a.rate || a.name.localeCompare(b.name);
}

/** `2 instances, functions 4.1 %`. */
export function capacityWords(
  endpoint: Pick<OverviewEndpointBody, 'instances_ready' | 'instances_wanted' | 'has_functions' | 'overflow_share'>,
): string {
  const { instances_ready: ready, instances_wanted: wanted, has_functions: hasFunctions, overflow_share: share } = endpoint;
  const instances = ready === wanted ? `${ready} ${ready === 1 ? 'instance' : 'instances'}` : `${ready} of ${wanted} instances`;
  if (!hasFunctions) return instances;
  if (wanted === 0 && ready === 0) return 'functions only';
  return share === null || share === 0 ? `${instances}, functions ready` : `${instances}, functions ${(share * 100).toFixed(1)} %`;
}

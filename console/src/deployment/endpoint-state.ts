/** The state of an endpoint, as a word and a mark. Problems take precedence. */
import type { OverviewEndpointBody } from '../../../src/api/index.ts';
import { parseObjectiveText } from '../kit/format/format.ts';
import type { StateKind } from '../kit/state-mark.tsx';

export interface EndpointState {
  readonly kind: StateKind;
  readonly word: string;
  /** Lower values need more attention. */
  readonly rank: number;
}

type StateInput = Pick<
  OverviewEndpointBody,
  'status' | 'objective' | 'in_time_last_hour' | 'rate' | 'instances_ready' | 'instances_desired' | 'has_functions' | 'alarms'
>;

export function endpointState(endpoint: StateInput): EndpointState {
  const { status, instances_ready: ready, instances_desired: wanted, alarms } = endpoint;
  if (status === 'Failed') return { kind: 'bad', word: 'Failed', rank: 0 };
  const other = otherStateOf(status);
  if (isMissingObjective(endpoint)) return { kind: 'bad', word: `${other?.word ?? 'In service'}, missing its objective`, rank: 1 };
  if (alarms > 0) return { kind: 'warn', word: alarms === 1 ? 'Alarm firing' : `${alarms} alarms firing`, rank: 2 };
  if (status === 'Creating') return { kind: 'changing', word: wanted > 0 ? `Starting, ${ready} of ${wanted}` : 'Starting', rank: 3 };
  if (other !== null) return other;
  if (ready === 0 && endpoint.rate === 0) return { kind: 'zero', word: 'At zero', rank: 5 };
  return { kind: 'ok', word: 'In service', rank: 4 };
}

/** The states other than in service, failed and starting; null for those. */
function otherStateOf(status: StateInput['status']): EndpointState | null {
  if (status === 'Updating') return { kind: 'changing', word: 'Updating', rank: 3 };
  if (status === 'RollingBack') return { kind: 'warn', word: 'Rolling back', rank: 2 };
  if (status === 'Deleting') return { kind: 'changing', word: 'Deleting', rank: 3 };
  return status === 'Unloaded' ? { kind: 'zero', word: 'Stopped', rank: 5 } : null;
}

/** Whether an endpoint needs attention. */
export function requiresAttention(endpoint: StateInput): boolean {
  return endpointState(endpoint).rank < 3;
}

type Attainment = Pick<StateInput, 'status' | 'objective' | 'in_time_last_hour'>;

/**
 * Whether the last hour shows if the endpoint meets its objective: it has one, and answered requests. Traffic this second does not matter. A
 * stopped endpoint promises nothing.
 */
export function hasRecentShare({ status, objective, in_time_last_hour: inTime }: Attainment): boolean {
  return objective !== null && inTime !== null && status !== 'Unloaded' && status !== 'Deleting';
}

/**
 * Whether the in-time share of the last hour is below the objective, independent of the visible range and as in the command line. A percentile
 * of a short period says too little.
 */
export function isMissingObjective(endpoint: Attainment): boolean {
  return hasRecentShare(endpoint) && isBelowObjective(endpoint.in_time_last_hour, endpoint.objective);
}

/** Tolerance for floating-point error: a mean that equals the objective must not count as below it. */
const roundingPercent = 1e-6;

/** Whether the in-time share is below the objective. False without traffic or without an objective. */
export function isBelowObjective(inTime: number | null, objective: string | null): boolean {
  const parsed = parseObjectiveText(objective);
  return parsed !== null && inTime !== null && inTime * 100 < parsed.percentile - roundingPercent;
}

/** Endpoints with problems first, then by traffic. */
export function bySeverity(a: OverviewEndpointBody, b: OverviewEndpointBody): number {
  return endpointState(a).rank - endpointState(b).rank || b.rate - a.rate || a.name.localeCompare(b.name);
}

/** `2 instances, functions 4.1 %`. */
export function formatCapacity(
  endpoint: Pick<OverviewEndpointBody, 'instances_ready' | 'instances_desired' | 'has_functions' | 'overflow_share'>,
): string {
  const { instances_ready: ready, instances_desired: wanted, has_functions: hasFunctions, overflow_share: share } = endpoint;
  const instances = ready === wanted ? `${ready} ${ready === 1 ? 'instance' : 'instances'}` : `${ready} of ${wanted} instances`;
  if (!hasFunctions) return instances;
  if (wanted === 0 && ready === 0) return 'functions only';
  return share === null || share === 0 ? `${instances}, functions ready` : `${instances}, functions ${(share * 100).toFixed(1)} %`;
}

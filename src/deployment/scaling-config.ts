/** How many instances a variant may have where their number follows its load. Pure. */
import { PlatformError } from '../errors.ts';
import { formatFloor, type ScheduledFloor } from './scheduled-floor.ts';

export interface ScalingConfig {
  /** How the number is found, in the words of `parsePolicy`: `economic`, `hpa:70`. */
  readonly policy: string;
  readonly instancesMin: number;
  readonly instancesMax: number;
  /** What the variant may cost within an hour, instances and functions together; null: no limit. */
  readonly usdPerHourMax: number | null;
  /** Which way the number may go by itself: `out` is more. Unless given, both. */
  readonly directions?: ScalingDirections;
  /** At least so many at these times of the day. */
  readonly floors?: readonly ScheduledFloor[];
}

export const scalingDirections = ['both', 'out', 'in', 'none'] as const;
export type ScalingDirections = (typeof scalingDirections)[number];

export const instanceCountMax = 64;
export const floorsMost = 50;

interface Scaled {
  readonly instanceCount: number;
}

/**
 * Throws `invalid_request`; `where` begins its message. What the policy says is for others to read. A minimum of 0 without
 * functions is fine: requests wait until an instance has been started for them.
 */
export function checkScaling(where: string, scaling: ScalingConfig, { instanceCount }: Scaled): void {
  const { instancesMin: min, instancesMax: max, usdPerHourMax, directions = 'both', floors = [] } = scaling;
  if (instanceCount === 0) {
    throw invalid(
      `${where}: scaling counts instances, and it is serverless: leave out the scaling, or give it instances beside its functions`,
    );
  }
  if (!isWholeBetween(0, min, instanceCountMax)) {
    throw invalid(`${where}: the minimum of instances is a whole number from 0 to ${instanceCountMax}, got ${min}`);
  }
  if (!isWholeBetween(1, max, instanceCountMax)) {
    throw invalid(`${where}: the maximum of instances is a whole number from 1 to ${instanceCountMax}, got ${max}`);
  }
  if (min > max) {
    throw invalid(`${where}: the minimum of instances (${min}) is more than the maximum (${max}): lower the one or raise the other`);
  }
  if (!scalingDirections.includes(directions)) {
    throw invalid(`${where}: the directions of scaling are one of ${scalingDirections.join(', ')}, got '${directions}'`);
  }
  if (floors.length > floorsMost) throw invalid(`${where}: at most ${floorsMost} scheduled floors, got ${floors.length}`);
  for (const floor of floors) {
    if (floor.instances <= max) continue;
    const cure = 'lower the one or raise the other';
    throw invalid(`${where}: the scheduled floor '${formatFloor(floor)}' is more than the maximum of ${max} instances: ${cure}`);
  }
  if (usdPerHourMax !== null && !(usdPerHourMax > 0 && Number.isFinite(usdPerHourMax))) {
    throw invalid(`${where}: the scaling budget is a number of US dollars per hour above 0, or none, got ${usdPerHourMax}`);
  }
}

/** How many instances are wanted: what was decided last, else what it was deployed with, within what the config allows. */
export function wantedInstances({ instanceCount, scaling }: Scaled & { readonly scaling?: ScalingConfig }, decided?: number): number {
  if (scaling === undefined) return instanceCount;
  return Math.max(scaling.instancesMin, Math.min(scaling.instancesMax, decided ?? instanceCount));
}

function isWholeBetween(least: number, given: number, most: number): boolean {
  return Number.isInteger(given) && given >= least && given <= most;
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

/** The instance count limits of a variant that scales with its load. Pure. */
import { PlatformError } from '../../errors.ts';
import { checkFields, type FieldValues, scalingFields } from '../../fields/index.ts';
import { formatFloor, type ScheduledFloor } from './scheduled-floor.ts';

/** The settings of `scalingFields`, with floors as parsed schedules. */
export interface ScalingConfig extends Omit<FieldValues<typeof scalingFields>, 'floors'> {
  /** Minimum counts at certain times of the day. */
  readonly floors?: readonly ScheduledFloor[];
}

/** Floors of one variant. Each is evaluated at every decision. */
export const floorsMax = 50;

interface Scaled {
  readonly instanceCount: number;
}

/**
 * Throws `invalid_request`; `where` begins its message. Does not check the policy. A minimum of 0 without functions is
 * valid: requests wait until an instance has been started for them.
 */
export function checkScaling(where: string, scaling: ScalingConfig, { instanceCount }: Scaled): void {
  const { instancesMin: min, instancesMax: max, floors = [] } = scaling;
  if (instanceCount === 0) {
    throw invalid(`${where}: scaling requires instances, but the variant is serverless: leave out the scaling, or add instances`);
  }
  checkFields(`${where}: `, scalingFields, scaling);
  if (min > max) {
    throw invalid(`${where}: the minimum of instances (${min}) is above the maximum (${max}): lower the minimum or raise the maximum`);
  }
  if (floors.length > floorsMax) throw invalid(`${where}: expected at most ${floorsMax} scheduled floors, got ${floors.length}`);
  for (const floor of floors) {
    if (floor.instances <= max) continue;
    const cure = 'lower the one or raise the other';
    throw invalid(`${where}: the scheduled floor '${formatFloor(floor)}' is above the maximum of ${max} instances: ${cure}`);
  }
}

/** The desired instance count: the last decided count, else the deployed one, within the limits of the config. */
export function desiredInstances({ instanceCount, scaling }: Scaled & { readonly scaling?: ScalingConfig }, decided?: number): number {
  if (scaling === undefined) return instanceCount;
  return Math.max(scaling.instancesMin, Math.min(scaling.instancesMax, decided ?? instanceCount));
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

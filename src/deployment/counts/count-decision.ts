/** The decision of a change of an instance count that the scaling policy did not make. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { instanceCountMax } from '../../fields/index.ts';
import { nameKey } from '../../names.ts';
import type { NewDecision } from '../../records/index.ts';
import type { EndpointConfig, VariantConfig } from '../config/endpoint-config.ts';

/** What changes a count, apart from the scaling policy: a user, a rollback, a scheduled action, an alarm, a tracked metric. */
export interface CountCause {
  readonly trigger: 'update' | 'rollback' | 'schedule' | 'alarm' | 'metric';
  /** The clause of the explanation: `me updated the endpoint`. */
  readonly why: string;
}

/** The recorded inputs of such a decision. */
export interface CountInputs {
  readonly cause: string;
  /** The count before. */
  readonly before: number;
  /** The count asked for; null if the config changed it. */
  readonly requested: number | null;
  readonly min: number;
  readonly max: number;
}

interface ChangedCount {
  readonly before: number;
  readonly count: number;
  readonly requested: number | null;
}

const unmeasured = { unknown: 'only the effects of policies are measured' };

/** The record of one changed count. `requested` is the count before the bounds; the reason says which bound changed it, if one did. */
export function countDecision(
  endpoint: string,
  { name, instanceType, scaling }: VariantConfig,
  { before, count, requested }: ChangedCount,
  { trigger, why }: CountCause,
): NewDecision {
  const { instancesMin: min, instancesMax: max } = scaling ?? { instancesMin: 1, instancesMax: instanceCountMax };
  const bound = requested === null || requested === count ? null : requested > count ? 'max' : 'min';
  const limit = bound === null ? '' : `; ${requested} were requested, the ${bound === 'max' ? `maximum is ${max}` : `minimum is ${min}`}`;
  const verb = count > before ? 'grew to' : count < before ? 'shrank to' : 'kept';
  return {
    kind: 'scaling',
    endpoint,
    variant: name,
    trigger,
    inputs: { cause: why, before, requested, min, max } satisfies CountInputs,
    alternatives: [],
    chosen: { plan: { [instanceType]: count }, reason: bound ?? 'requested', actions: [] },
    reason: bound ?? 'requested',
    explanation: `${verb} ${count === 0 ? 'no instance' : `${count} × ${instanceType}`}: ${why}${limit}`,
    changes: true,
    effect: unmeasured,
  };
}

/**
 * One decision for each variant of both configs whose count differs; configs with their current counts. A schedule that changes the
 * limits is recorded even if the count stays: it shows that the schedule ran.
 */
export function countDecisions(before: EndpointConfig, now: EndpointConfig, cause: CountCause): NewDecision[] {
  return now.variants.flatMap((variant) => {
    const old = before.variants.find(({ name }) => nameKey(name) === nameKey(variant.name));
    if (old === undefined) return [];
    const isSame = old.instanceCount === variant.instanceCount;
    if (isSame && (cause.trigger !== 'schedule' || isDeepStrictEqual(old.scaling, variant.scaling))) return [];
    const changed = { before: old.instanceCount, count: variant.instanceCount, requested: null };
    return [countDecision(now.name, variant, changed, cause)];
  });
}

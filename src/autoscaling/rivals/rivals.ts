/**
 * Policies to compare the product's own with: Kubernetes', Knative's, Ray Serve's and SageMaker's rules, MArk, quantiles of the
 * forecast, functions alone, and an oracle. A server accepts those that need no future knowledge.
 */
import type { SinglePolicy } from '../strategies/policy.ts';
import type { StrategyInput, StrategyResult } from '../strategies/strategy.ts';
import { type BatchMemory, batch, batchInitial } from './batch.ts';
import { type HpaMemory, hpa, hpaInitial } from './hpa.ts';
import { type KpaMemory, kpa, kpaInitial } from './kpa.ts';
import { type MarkGreedyMemory, markGreedy, markGreedyInitial } from './mark-greedy.ts';
import { oracle } from './oracle.ts';
import { type QuantileMemory, quantileInitial, quantilePlan } from './quantile-plan.ts';
import { type RayMemory, ray, rayInitial } from './ray.ts';
import { type RunningMaxMemory, runningMax, runningMaxInitial } from './running-max.ts';
import { type TargetTrackingMemory, targetTracking, targetTrackingInitial } from './target-tracking.ts';

/** By policy. A policy that has not decided yet has none. */
export interface RivalMemories {
  readonly 'mark-greedy'?: MarkGreedyMemory;
  readonly hybrid?: QuantileMemory;
  readonly 'instances-only'?: QuantileMemory;
  readonly 'running-max'?: RunningMaxMemory;
  readonly 'target-tracking'?: TargetTrackingMemory;
  readonly hpa?: HpaMemory;
  readonly kpa?: KpaMemory;
  readonly ray?: RayMemory;
  readonly batch?: BatchMemory;
}

/** A policy that is not the product's own. */
export type RivalPolicy = Extract<SinglePolicy, { kind: keyof RivalMemories | 'oracle' }>;

/** Runs one policy with its own memory, and leaves those of the others as they are. */
export function runRival(policy: RivalPolicy, memories: RivalMemories, input: StrategyInput): StrategyResult<RivalMemories> {
  switch (policy.kind) {
    case 'batch':
      return remembering(policy.kind, batch(memories.batch ?? batchInitial, input));
    case 'mark-greedy':
      return remembering(policy.kind, markGreedy(policy, memories['mark-greedy'] ?? markGreedyInitial, input));
    case 'hybrid':
    case 'instances-only':
      return remembering(policy.kind, quantilePlan(policy, memories[policy.kind] ?? quantileInitial, input));
    case 'running-max':
      return remembering(policy.kind, runningMax(policy, memories['running-max'] ?? runningMaxInitial, input));
    case 'target-tracking':
      return remembering(policy.kind, targetTracking(policy, memories['target-tracking'] ?? targetTrackingInitial, input));
    case 'hpa':
      return remembering(policy.kind, hpa(policy, memories.hpa ?? hpaInitial, input));
    case 'kpa':
      return remembering(policy.kind, kpa(policy, memories.kpa ?? kpaInitial, input));
    case 'ray':
      return remembering(policy.kind, ray(memories.ray ?? rayInitial, input));
    case 'oracle':
      return { ...oracle(input), memory: {} };
  }
}

function remembering<Kind extends keyof RivalMemories>(
  kind: Kind,
  result: StrategyResult<NonNullable<RivalMemories[Kind]>>,
): StrategyResult<RivalMemories> {
  return { ...result, memory: { [kind]: result.memory } };
}

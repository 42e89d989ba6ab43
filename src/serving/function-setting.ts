/** How the batches of a function are formed, and by what size of environment they are run: the setting in force. Pure. */
import type { FunctionsConfig } from '../deployment/index.ts';
import type { Objective } from '../objective.ts';
import type { HoldPolicy } from '../queueing/index.ts';

export interface FunctionSetting {
  readonly memoryMiB: number;
  /** B, in rows. */
  readonly batchSizeMax: number;
  /** T: how long the first request of a batch waits; null where the slack rule decides. */
  readonly waitMsMax: number | null;
  /** The decision that chose it; null for what holds until the first. */
  readonly decisionId: string | null;
}

/**
 * What holds until the first decision: nobody waits for company, at the configured size or the one given. A setting
 * that is fixed by its user needs no decision and holds at once.
 */
export function safeSetting({ memoryMiB, batching }: FunctionsConfig, memoryMiBSafe: number): FunctionSetting {
  const isFixed = batching.kind === 'fixed';
  return {
    memoryMiB: memoryMiB === 'auto' ? memoryMiBSafe : memoryMiB,
    batchSizeMax: isFixed ? batching.batchSizeMax : 1,
    waitMsMax: isFixed ? batching.waitMsMax : null,
    decisionId: null,
  };
}

/**
 * What holds for another wish until something is decided for it. The size and B in force stay where they may, so that no
 * function is started anew for a moment's sake; how long a batch waits follows from the new promise by the slack rule.
 */
export function settingUntilDecided(inForce: FunctionSetting, config: FunctionsConfig, memoryMiBSafe: number): FunctionSetting {
  const { memoryMiB, batching } = config;
  if (memoryMiB !== 'auto' && memoryMiB !== inForce.memoryMiB) return safeSetting(config, memoryMiBSafe);
  const batches =
    batching.kind === 'fixed' ? batching : { batchSizeMax: batching.kind === 'none' ? 1 : inForce.batchSizeMax, waitMsMax: null };
  return { memoryMiB: inForce.memoryMiB, batchSizeMax: batches.batchSizeMax, waitMsMax: batches.waitMsMax, decisionId: null };
}

/**
 * The rule that a setting amounts to. `batchMax` is the largest b of the profile, which no batch exceeds, and 1 while
 * nothing is known. Without an objective nobody is made to wait, unless by a wait that was set.
 */
export function holdPolicy(
  { batchSizeMax, waitMsMax }: FunctionSetting,
  objective: Objective | null,
  batchMax: number,
  serviceMs: (rows: number) => number,
): HoldPolicy {
  const most = Math.min(batchSizeMax, batchMax);
  if (most <= 1 || waitMsMax === 0) return { kind: 'none' };
  if (waitMsMax !== null) return { kind: 'timeout', batchSizeMax: most, waitMsMax };
  return objective === null ? { kind: 'none' } : { kind: 'slack', batchSizeMax: most, serviceMs };
}

/** What a user wants of a serverless variant. */
export interface FunctionsWish {
  readonly functions: FunctionsConfig;
  readonly objective: Objective | null;
}

/** Whether what was decided for one wish is no answer to the other. */
export function asksForAnotherSetting(before: FunctionsWish, after: FunctionsWish): boolean {
  const [one, other] = [before, after].map(({ functions: { memoryMiB, batching }, objective }) =>
    JSON.stringify([memoryMiB, batching, objective]),
  );
  return one !== other;
}

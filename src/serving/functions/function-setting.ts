/** The setting in force of a variant's functions: memory size, batch size and wait. Pure. */
import type { FunctionsConfig } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import type { HoldPolicy } from '../../queueing/index.ts';

/** Chosen by the batching controller, or configured. */
export interface FunctionSetting {
  readonly memoryMiB: number;
  /** B, in rows. */
  readonly batchSizeMax: number;
  /** T: how long the first request of a batch waits; null if the slack rule decides. */
  readonly waitMsMax: number | null;
  /** Id of the decision that chose the setting; null until the first. */
  readonly decisionId: string | null;
}

/**
 * The setting until the first decision: no batching, at the configured or safe memory size. A setting fixed by the user applies at
 * once.
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
 * The setting for a changed configuration until a new decision is made. Memory size and B stay if possible, to avoid restarting
 * functions twice. The slack rule derives the wait from the new objective.
 */
export function settingUntilDecided(inForce: FunctionSetting, config: FunctionsConfig, memoryMiBSafe: number): FunctionSetting {
  const { memoryMiB, batching } = config;
  if (memoryMiB !== 'auto' && memoryMiB !== inForce.memoryMiB) return safeSetting(config, memoryMiBSafe);
  const batches =
    batching.kind === 'fixed' ? batching : { batchSizeMax: batching.kind === 'none' ? 1 : inForce.batchSizeMax, waitMsMax: null };
  return { memoryMiB: inForce.memoryMiB, batchSizeMax: batches.batchSizeMax, waitMsMax: batches.waitMsMax, decisionId: null };
}

/**
 * The hold rule of a setting. `batchMax` is the largest batch size in the profile (1 while unknown) and limits every batch. Without
 * an objective no request is held, unless a wait is set.
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

/** The configuration that a setting is chosen for. */
export interface FunctionSettingQuery {
  readonly functions: FunctionsConfig;
  readonly objective: Objective | null;
}

/** Whether a setting chosen for one configuration is invalid for the other. */
export function requiresNewSetting(before: FunctionSettingQuery, after: FunctionSettingQuery): boolean {
  const [one, other] = [before, after].map(({ functions: { memoryMiB, batching }, objective }) =>
    JSON.stringify([memoryMiB, batching, objective]),
  );
  return one !== other;
}

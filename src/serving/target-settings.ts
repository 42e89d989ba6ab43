/** The settings of one model of a multi-model variant: those of the variant, with one worker on demand. Pure. */
import { functionsDefault } from '../deployment/index.ts';
import type { PoolSettings } from './executor-pool.ts';

/** A model stays loaded until it is evicted, so its worker need not end sooner. */
const keepAliveMs = 24 * 3_600_000;

/** One execution environment without batching, whatever the variant's own functions are. */
export function targetSettings(settings: PoolSettings, memoryMiB: number): PoolSettings {
  const functions = { ...functionsDefault, memoryMiB, maxConcurrency: 1, keepAliveMs, batching: { kind: 'none' } as const };
  return { ...settings, functions, isHybrid: false };
}

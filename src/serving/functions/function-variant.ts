/** A variant that runs on functions, as seen by the batch controller and by views. */
import type { FunctionsConfig } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { FunctionSetting } from './function-setting.ts';
import type { PeriodMeasure } from './period.ts';

/** The batch controller's view. */
export interface FunctionVariant {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: ModelVersion;
  /** The endpoint's objective, limited by its timeout. */
  readonly objective: Objective | null;
  readonly config: FunctionsConfig;
  /** The safe setting (B = 1) until the first decision. */
  readonly setting: FunctionSetting;
  /** The margin subtracted from the objective; learned from latencies. */
  readonly marginMs: number;
  /**
   * Applies a setting from the next batch that opens. Environments of a new size are started before old ones end. Begins a new
   * measurement period.
   */
  apply(setting: FunctionSetting): void;
  /** The times of the last arrivals, `clock.nowMs()`, ascending: one per row, at most 5,000. */
  arrivalsMs(): Float64Array;
  /** Whether the arrival rate changed since the last call. Arrivals before the change are already dropped. */
  consumeAlarm(): boolean;
  /** Measurements under the current setting: of requests whose batches opened since it was applied. */
  period(): PeriodMeasure;
}

/** A snapshot for views and for the next choice. */
export interface FunctionsView {
  readonly config: FunctionsConfig;
  readonly setting: FunctionSetting;
  readonly environments: { readonly starting: number; readonly idle: number; readonly busy: number };
  /** Median of the last starts, from request to ready; null before the first. */
  readonly coldStartMs: number | null;
  readonly marginMs: number;
}

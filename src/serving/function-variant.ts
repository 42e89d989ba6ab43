/** A serverless variant as others see it: whoever chooses its setting, and whoever shows it. */
import type { FunctionsConfig } from '../deployment/index.ts';
import type { Objective } from '../objective.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { FunctionSetting } from './function-setting.ts';
import type { PeriodMeasure } from './period.ts';

/** What the batch controller sees. */
export interface FunctionVariant {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: ModelVersion;
  /** What is promised: the endpoint's objective, but never more time than its timeout. */
  readonly objective: Objective | null;
  readonly config: FunctionsConfig;
  /** The safe setting (B = 1) until the first decision. */
  readonly setting: FunctionSetting;
  /** Kept back from the objective, as the latencies measured so far ask for. */
  readonly marginMs: number;
  /** Counts from the next batch that opens; environments of a new size are started before the old ones go. Begins a new period. */
  apply(setting: FunctionSetting): void;
  /** The last arrivals, at most 5000, ascending; a request of several rows is as many arrivals at once. In `clock.nowMs()`. */
  arrivalsMs(): Float64Array;
  /** Whether the arrivals have changed since last asked; those before the change are forgotten by then. */
  takeAlarm(): boolean;
  /** What came of the present setting so far: of the requests whose batches opened under it. */
  period(): PeriodMeasure;
}

export interface FunctionsView {
  readonly config: FunctionsConfig;
  readonly setting: FunctionSetting;
  readonly environments: { readonly starting: number; readonly idle: number; readonly busy: number };
  /** The median of the last starts, from the wish to being ready; null before the first. */
  readonly coldStartMs: number | null;
  readonly marginMs: number;
}

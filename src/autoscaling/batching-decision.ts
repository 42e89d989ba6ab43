/** What a decision of kind `batching` holds: from what a setting was chosen, what else there was, and what came of it. */
import type { BatchPolicy } from '../deployment/index.ts';
import type { Objective } from '../objective.ts';
import type { Alternative, CallPrice, Prediction, Setting, WaitTable } from '../queueing/index.ts';

/** How a variant's functions take requests. */
export type BatchingSetting = Setting;

/** What was asked for; where it is the same again, an earlier setting still holds. */
export interface BatchingWish {
  readonly model: string;
  readonly objective: Objective | null;
  readonly memoryMiB: number | 'auto';
  readonly policy: BatchPolicy;
}

/** The arrivals as they were taken to be. */
export interface ArrivalFacts {
  readonly source: WaitTable['source'];
  /** 0 where nobody came. */
  readonly ratePerSecond: number;
  /** null until rates are forecast. */
  readonly forecastRatePerSecond: number | null;
  /** c², the squared coefficient of variation of the gaps; 1 for Poisson. null, as those below, where nothing is known of the gaps. */
  readonly scv: number | null;
  /** γ. */
  readonly correlationDecay: number | null;
  /** I, the index of dispersion. */
  readonly indexOfDispersion: number | null;
  /** Arrivals that were seen; 0 for assumed ones. */
  readonly sampleCount: number;
  readonly notes: readonly string[];
}

export interface BatchingInputs {
  readonly wish: BatchingWish;
  /** Held back from the objective, for what predictions are wrong by. */
  readonly marginMs: number;
  readonly arrivals: ArrivalFacts;
  /** Where the service times come from, by memory size. */
  readonly profiles: readonly { readonly memoryMiB: number; readonly basis: string; readonly measuredAtMs: number }[];
  readonly prices: CallPrice;
  readonly coldStart: { readonly probability: number; readonly ms: number };
  readonly candidates: { readonly considered: number; readonly evaluated: number; readonly feasible: number };
  readonly computeMs: number;
}

export type BatchingAlternative = Alternative;

/** What the requests measured whose batch opened under the decision. */
export interface BatchingEffect extends Prediction {
  readonly requests: number;
  readonly meanWaitMs: number;
  readonly coldStarts: number;
  /** By how much the prediction was off, in percent of what was measured: above 0 where it was too high. */
  readonly p95ErrorPercent: number;
  readonly costErrorPercent: number;
}

export type MeasuredPeriod = Omit<BatchingEffect, 'p95ErrorPercent' | 'costErrorPercent'>;

/** What came of a decision that had predicted `predicted`; null where nobody came. */
export function effectOf(measured: MeasuredPeriod, predicted: Prediction | null): BatchingEffect | null {
  const { requests, p50Ms, p95Ms, p99Ms, withinSlo, meanBatch, meanWaitMs, costUsdPerMillion, coldStarts } = measured;
  if (requests === 0) return null;
  const facts = { requests, p50Ms, p95Ms, p99Ms, withinSlo, meanBatch, meanWaitMs, costUsdPerMillion, coldStarts };
  const errorPercent = (expected: number, seen: number): number => (seen > 0 ? Math.round((expected / seen - 1) * 1000) / 10 : 0);
  return {
    ...facts,
    p95ErrorPercent: predicted === null ? 0 : errorPercent(predicted.p95Ms, p95Ms),
    costErrorPercent: predicted === null ? 0 : errorPercent(predicted.costUsdPerMillion, costUsdPerMillion),
  };
}

export function isSameSetting(left: BatchingSetting, right: BatchingSetting): boolean {
  return left.memoryMiB === right.memoryMiB && left.batchSizeMax === right.batchSizeMax && left.waitMsMax === right.waitMsMax;
}

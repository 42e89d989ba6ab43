/** Contents of a `batching` decision: inputs, alternatives, choice and measured effect. */
import type { BatchPolicy } from '../../deployment/index.ts';
import type { Objective } from '../../objective.ts';
import type { Alternative, BatchSettings, CallPrice, SettingPrediction, WaitTable } from '../../queueing/index.ts';

/** How a variant's functions batch requests. */
export type BatchingSetting = BatchSettings;

/** Everything that a decision answers. If the query is unchanged, an earlier setting still applies. */
export interface BatchingQuery {
  readonly model: string;
  readonly objective: Objective | null;
  readonly memoryMiB: number | 'auto';
  readonly policy: BatchPolicy;
}

/** The arrival process that the decision assumed. */
export interface ArrivalFacts {
  readonly source: WaitTable['source'];
  /** 0 if there is no traffic. */
  readonly ratePerSecond: number;
  /** null: rates are not forecast yet. */
  readonly forecastRatePerSecond: number | null;
  /**
   * Squared coefficient of variation (c²) of the gaps between arrivals; 1 for Poisson arrivals. This and the fields below are
   * null if the gaps are unknown.
   */
  readonly scv: number | null;
  /** γ: the factor by which the correlation of gaps decays per arrival. */
  readonly correlationDecay: number | null;
  /** I: the index of dispersion of counts. */
  readonly indexOfDispersion: number | null;
  /** Number of observed arrivals; 0 if arrivals are assumed. */
  readonly sampleCount: number;
  readonly notes: readonly string[];
}

/** All that the choice was computed from, so that the record explains it without other data. */
export interface BatchingInputs {
  readonly query: BatchingQuery;
  /** Milliseconds subtracted from the objective to cover prediction errors. */
  readonly marginMs: number;
  readonly arrivals: ArrivalFacts;
  /** Source of the service times for each memory size. */
  readonly profiles: readonly { readonly memoryMiB: number; readonly basis: string; readonly measuredAtMs: number }[];
  readonly prices: CallPrice;
  readonly coldStart: { readonly probability: number; readonly ms: number };
  readonly candidates: { readonly considered: number; readonly evaluated: number; readonly feasible: number };
  readonly computeMs: number;
  /** Applied to the predictions of all alternatives; null if none, absent in decisions of earlier versions. */
  readonly correction?: PredictionCorrection | null;
}

/** Factors by which predictions were scaled, because the last period missed them by more than a quarter; 1: not scaled. */
export interface PredictionCorrection {
  readonly latencyFactor: number;
  readonly batchFactor: number;
  readonly costFactor: number;
  /** `corrected, as the last period had p95 39 ms instead of 81 ms` */
  readonly reason: string;
}

/** A setting that was considered, with its prediction. */
export type BatchingAlternative = Alternative;

/** Measured for the requests whose batch opened under this decision. */
export interface BatchingEffect extends SettingPrediction {
  readonly requests: number;
  readonly meanWaitMs: number;
  readonly coldStarts: number;
  /** Error of the predicted p95 in percent of the measured one; positive if the prediction was too high. */
  readonly p95ErrorPercent: number;
  readonly costErrorPercent: number;
}

/** What was measured, before it is compared with the prediction. */
export type MeasuredPeriod = Omit<BatchingEffect, 'p95ErrorPercent' | 'costErrorPercent'>;

/** Compares measurements with the prediction of the decision; null if there was no traffic. Errors are 0 if there was no prediction. */
export function effectOf(measured: MeasuredPeriod, predicted: SettingPrediction | null): BatchingEffect | null {
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

/** True if both settings have the same memory, batch size and wait. */
export function isSameSetting(left: BatchingSetting, right: BatchingSetting): boolean {
  return left.memoryMiB === right.memoryMiB && left.batchSizeMax === right.batchSizeMax && left.waitMsMax === right.waitMsMax;
}

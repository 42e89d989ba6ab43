/**
 * Corrects predictions that the last period proved wrong. The model does not know everything: other programs on the machine, service times
 * that just changed. If it is off by more than a quarter for the setting in force, all of its figures are scaled by what was measured,
 * and the decision says so. The choice itself is not affected, because alternatives keep their order. Pure.
 */
import type { SettingPrediction } from '../../queueing/index.ts';
import type { BatchingAlternative, BatchingEffect, BatchingSetting, PredictionCorrection } from './batching-decision.ts';
import { isSameSetting } from './batching-decision.ts';

/** A smaller miss is not corrected: periods differ by chance. */
const missMax = 0.25;
/** A p95 of fewer requests says nothing about a prediction. */
const requestsMin = 100;
/** With a larger share of cold starts, the period says nothing about batching. */
const coldShareMax = 0.01;

/** The last period, as far as it can show whether its prediction was right. */
export interface PeriodFacts {
  /** The setting that was in force; null at the first decision. */
  readonly setting: BatchingSetting | null;
  /** Measured under it; null without traffic. */
  readonly measured: BatchingEffect | null;
  /** The arrivals changed within the period, so its figures mix two loads. */
  readonly hasChanged: boolean;
}

/**
 * Compares what was measured under the setting in force with what the model now predicts for it, from the arrivals and service times of
 * that same period: so a change of the load is not taken for an error of the model. Null if nothing is to be corrected.
 */
export function correctionOf(
  alternatives: readonly BatchingAlternative[],
  { setting, measured, hasChanged }: PeriodFacts,
): PredictionCorrection | null {
  if (setting === null || measured === null || hasChanged || measured.requests < requestsMin) return null;
  if (measured.coldStarts > coldShareMax * measured.requests) return null;
  const inForce = alternatives.find((each) => isSameSetting(each, setting))?.predicted;
  if (inForce === undefined) return null;
  const factors = {
    latencyFactor: factorOf(inForce.p95Ms, measured.p95Ms),
    batchFactor: factorOf(inForce.meanBatch, measured.meanBatch),
    costFactor: factorOf(inForce.costUsdPerMillion, measured.costUsdPerMillion),
  };
  const missed = [
    ...(factors.latencyFactor === 1 ? [] : [`p95 ${msText(measured.p95Ms)} instead of ${msText(inForce.p95Ms)}`]),
    ...(factors.batchFactor === 1 ? [] : [`batches of ${rowsText(measured.meanBatch)} instead of ${rowsText(inForce.meanBatch)} rows`]),
    ...(factors.costFactor === 1
      ? []
      : [`a cost of ${usdText(measured.costUsdPerMillion)} instead of ${usdText(inForce.costUsdPerMillion)}`]),
  ];
  if (missed.length === 0) return null;
  return { ...factors, reason: `corrected, as the last period had ${missed.join(', ')}` };
}

/** The alternatives with corrected predictions. */
export function withCorrection(
  alternatives: readonly BatchingAlternative[],
  correction: PredictionCorrection | null,
): readonly BatchingAlternative[] {
  if (correction === null) return alternatives;
  return alternatives.map((each) => ({ ...each, predicted: corrected(each.predicted, correction) }));
}

function corrected(predicted: SettingPrediction, { latencyFactor, batchFactor, costFactor }: PredictionCorrection): SettingPrediction {
  return {
    ...predicted,
    p50Ms: predicted.p50Ms * latencyFactor,
    p95Ms: predicted.p95Ms * latencyFactor,
    p99Ms: predicted.p99Ms * latencyFactor,
    meanBatch: Math.max(1, predicted.meanBatch * batchFactor),
    costUsdPerMillion: predicted.costUsdPerMillion * costFactor,
  };
}

function factorOf(predicted: number, measured: number): number {
  if (!(predicted > 0 && measured > 0)) return 1;
  return Math.abs(predicted / measured - 1) > missMax ? measured / predicted : 1;
}

const msText = (ms: number): string => `${Number(ms.toPrecision(3))} ms`;
const rowsText = (rows: number): string => rows.toFixed(1);
const usdText = (usd: number): string => `$${Number(usd.toPrecision(2))} per million`;

/** The test vectors of batching: values of the exact model and exact traces, found independently of this code. `conventions` in the file says how to read them. */
import { readFileSync } from 'node:fs';

export interface ServiceVector {
  readonly baseMs: number;
  readonly perRequestMs: number;
}

export interface ModelVector {
  readonly maxBatch: number;
  readonly timeoutMs: number;
  readonly service: ServiceVector;
  readonly memoryGb: number;
  readonly expected: {
    readonly arrivalRatePerSecond: number;
    readonly batchSizePmf: readonly number[];
    readonly meanBatch: number;
    readonly startPhase: readonly number[];
    readonly meanWaitMs: number;
    readonly p50Ms: number;
    readonly p95Ms: number;
    readonly p99Ms: number;
    readonly onAtom: { readonly p50: boolean; readonly p95: boolean; readonly p99: boolean };
    readonly cdf: readonly { readonly latencyMs: number; readonly probability: number }[];
    readonly costUsdPerMillion: number;
  };
}

export interface SettingVector extends ModelVector {
  readonly id: string;
  readonly arrival: { readonly D0: number[][]; readonly D1: number[][] };
}

export interface FitVector {
  readonly id: string;
  readonly input: {
    readonly m1Seconds: number;
    readonly m2SecondsSquared: number;
    readonly m3SecondsCubed: number;
    readonly correlationDecay: number;
  };
  readonly expected: {
    readonly scv: number;
    readonly lag1Autocorrelation: number;
    readonly indexOfDispersion: number;
    readonly embeddedP: number[][];
    readonly D0: number[][];
    readonly D1: number[][];
  };
  readonly evaluation: ModelVector;
}

export interface BatchingVectors {
  readonly price: { readonly usdPerGbSecond: number; readonly usdPerInvocation: number; readonly billingGranularityMs: number };
  readonly tolerances: {
    readonly exactModel: {
      readonly batchSizePmfAbsolute: number;
      readonly relative: number;
      readonly cdfAbsolute: number;
      readonly quantileRelative: number;
    };
    readonly fastTable: { readonly p95Relative: number; readonly costRelative: number };
    readonly fit: { readonly relative: number; readonly absolute: number };
    readonly replayAndSlackAbsoluteMs: number;
  };
  readonly settings: readonly SettingVector[];
  readonly fits: readonly FitVector[];
}

export const batchingVectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as BatchingVectors;

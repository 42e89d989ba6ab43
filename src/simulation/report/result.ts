/** The result of a simulation. Equal specs give byte-identical results. */
import type { Plan } from '../../autoscaling/index.ts';
import type { Measures, SimulatedMinute } from './measures.ts';

/** A decision that changed something, or followed an interruption notice. */
export interface DecisionNote {
  readonly atS: number;
  readonly trigger: string;
  readonly plan: Plan;
  readonly reason: string;
  readonly explanation: string;
}

/** Totals, latencies, decisions and a timeline of one policy. */
export interface SimulationResult {
  readonly policy: string;
  readonly requests: number;
  readonly rows: number;
  /** Share of requests answered within the objective, 0..1; 1 if there were no requests. */
  readonly attainment: number;
  readonly fulfilled: number;
  readonly late: number;
  /** Requests dropped at their timeout. */
  readonly dropped: number;
  readonly rejected: number;
  /** null if there were no requests. */
  readonly costUsdPerMillion: number | null;
  readonly costUsd: number;
  readonly instanceUsd: number;
  readonly overflowUsd: number;
  /** Billed seconds by instance type. */
  readonly instanceSeconds: Readonly<Record<string, number>>;
  /** Share of rows served by functions, 0..1. */
  readonly overflowShare: number;
  readonly coldStarts: number;
  /** Latencies of answered requests. */
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** Number of decisions, including those that changed nothing. */
  readonly decided: number;
  readonly decisions: readonly DecisionNote[];
  readonly timeline: readonly SimulatedMinute[];
}

/** Summarizes the measures of a completed simulation. */
export function resultOf(policy: string, measures: Measures, decisions: readonly DecisionNote[], decided: number): SimulationResult {
  const { requests, rows, fulfilled, late, dropped, rejected, instanceUsd, overflowUsd, overflowed, latencies } = measures;
  const costUsd = instanceUsd + overflowUsd;
  const seconds = Object.entries(measures.instanceMs).map(([type, ms]) => [type, ms / 1000] as const);
  return {
    policy,
    requests,
    rows,
    attainment: requests === 0 ? 1 : fulfilled / requests,
    fulfilled,
    late,
    dropped,
    rejected,
    costUsdPerMillion: requests === 0 ? null : (costUsd / requests) * 1e6,
    costUsd,
    instanceUsd,
    overflowUsd,
    instanceSeconds: Object.fromEntries(seconds.sort(([a], [b]) => (a < b ? -1 : 1))),
    overflowShare: rows === 0 ? 0 : overflowed / rows,
    coldStarts: measures.coldStarts,
    meanMs: latencies.meanMs,
    p50Ms: latencies.quantileMs(0.5),
    p95Ms: latencies.quantileMs(0.95),
    p99Ms: latencies.quantileMs(0.99),
    decided,
    decisions,
    timeline: measures.timeline,
  };
}

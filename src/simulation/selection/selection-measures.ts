/** Counts what a simulated selection answered, how soon and how rightly, and what it cost. */
import { Latencies } from '../report/measures.ts';
import type { PlanLaw } from './plan-law.ts';
import type { SelectionSimulationResult } from './selection-spec.ts';

/** Counters of one simulation, read at its end. */
export class SelectionMeasures {
  requests = 0;
  instanceUsd = 0;
  functionsUsd = 0;
  coldStarts = 0;
  overflowed = 0;
  #inTime = 0;
  #right = 0;
  #rightInTime = 0;
  readonly #latencies = new Latencies();
  readonly #rows = new Map<PlanLaw, number>();
  readonly #latencyMs: number;

  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
  }

  answered(law: PlanLaw, row: number, latencyMs: number): void {
    this.requests++;
    const isInTime = latencyMs <= this.#latencyMs;
    const right = law.isRight[row] as number;
    this.#right += right;
    if (isInTime) {
      this.#inTime++;
      this.#rightInTime += right;
    }
    this.#latencies.add(latencyMs);
  }

  /** Counts the rows of a batch for the plan that answered it. */
  ran(law: PlanLaw, rows: number): void {
    this.#rows.set(law, (this.#rows.get(law) ?? 0) + rows);
  }

  instanceCost(_type: string, _ms: number, usd: number): void {
    this.instanceUsd += usd;
  }

  result(policy: string, laws: readonly PlanLaw[]): SelectionSimulationResult {
    const { requests, instanceUsd, functionsUsd, coldStarts, overflowed } = this;
    const share = (count: number): number => (requests === 0 ? 1 : count / requests);
    return {
      policy,
      requests,
      attainment: share(this.#inTime),
      accuracy: share(this.#right),
      rightInTime: share(this.#rightInTime),
      costUsdPerMillion: requests === 0 ? 0 : ((instanceUsd + functionsUsd) / requests) * 1e6,
      instanceUsd,
      functionsUsd,
      overflowShare: requests === 0 ? 0 : overflowed / requests,
      coldStarts,
      p95Ms: this.#latencies.quantileMs(0.95),
      shares: laws.flatMap((law) => {
        const rows = this.#rows.get(law) ?? 0;
        return rows === 0 ? [] : [{ plan: law.plan.name, share: share(rows) }];
      }),
    };
  }
}

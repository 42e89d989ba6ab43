/** What a plan answers to each row, and how long a batch of given rows takes. Outcomes are those of an evaluation: no model runs. */
import assert from 'node:assert/strict';
import { compositeQuantileMs, type PlanService } from '../../queueing/index.ts';
import type { Random } from '../../random.ts';
import { gauss } from '../load/load-generators.ts';
import { type ServiceQuantiles, SimulatedServiceLaw } from '../simulated/service-law.ts';
import type { SimulatedCandidate, SimulatedPlan } from './selection-spec.ts';

/** Time that a change of model within a batch costs, until the cascade itself was measured. */
const changeMs = 0.03;
/** Standard deviation of service times, relative to their mean. */
const variation = 0.1;
const shortestShare = 0.5;

/** Computed once per plan, because a simulation draws millions of rows. */
export class PlanLaw {
  readonly plan: SimulatedPlan;
  /** By row: whether the answer is right. */
  readonly isRight: Uint8Array;
  /** By row: whether the row goes on to the second model. */
  readonly goesOn: Uint8Array;
  /** Time at the promised quantile by rows, from 0. */
  readonly #quantileMs: Float64Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array | null;

  constructor(plan: SimulatedPlan, models: readonly SimulatedCandidate[], labels: Int32Array, share: number) {
    const named = (name: string): SimulatedCandidate => {
      const model = models.find((each) => each.name === name);
      assert(model !== undefined, `no outcomes of ${name}`);
      return model;
    };
    const first = named(plan.first);
    const second = plan.second === null ? null : named(plan.second);
    this.plan = plan;
    this.goesOn = Uint8Array.from(labels, (_, row) => Number(second !== null && (first.unsureness?.[row] ?? 0) > plan.threshold));
    this.isRight = Uint8Array.from(labels, (label, row) => {
      const by = second !== null && this.goesOn[row] === 1 ? second : first;
      return Number(by.predictions[row] === label);
    });
    this.#first = first.medianMs;
    this.#second = second?.medianMs ?? null;
    const service: PlanService = {
      first: (rows) => first.medianMs[rows] as number,
      second: second === null ? null : (rows) => second.medianMs[rows] as number,
      escalated: plan.escalated,
    };
    this.#quantileMs = Float64Array.from({ length: plan.batch + 1 }, (_, rows) =>
      rows === 0 ? 0 : compositeQuantileMs(service, rows, share),
    );
  }

  /** S_q(b) of at most a full batch. */
  quantileMs(rows: number): number {
    return this.#quantileMs[rows] as number;
  }

  /** Draws the time of a batch of `rows` rows, `goOn` of which the second model answers. */
  drawMs(random: Random, rows: number, goOn: number): number {
    const ms = (this.#first[rows] as number) + (goOn === 0 ? 0 : ((this.#second as Float64Array)[goOn] as number) + changeMs);
    return ms * Math.max(shortestShare, 1 + variation * gauss(random));
  }
}

/** Times by rows, from 0, of a model with this profile: medians, and quantiles for the promised share. */
export function serviceTimes(
  service: readonly ServiceQuantiles[],
  isBatchable: boolean,
  share: number,
): { readonly medianMs: Float64Array; readonly quantileMs: Float64Array } {
  const { table, batchMax } = new SimulatedServiceLaw(service);
  const times = (timeOf: (rows: number) => number): Float64Array =>
    Float64Array.from({ length: (isBatchable ? batchMax : 1) + 1 }, (_, rows) => (rows === 0 ? 0 : timeOf(rows)));
  return { medianMs: times((rows) => table.medianMs(rows)), quantileMs: times((rows) => table.quantileMs(share, rows)) };
}

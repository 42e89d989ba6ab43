/**
 * How long choosing a plan takes, and the rung of a batch: in time of the processor, which is at least the elapsed time of a thread alone, and
 * does not depend on what else the machine does.
 */
import { chooseRung } from '../../src/queueing/index.ts';
import { choosePlans, judgePlans, type PlanConditions, type SelectableModel } from '../../src/selection/index.ts';
import { outcomesOf } from '../../test/selection/index.ts';
import { type Family, selectableModels } from '../../test/selection/selectable.ts';

export interface ChoosingTime {
  readonly what: string;
  readonly medianMs: number;
  readonly targetMs: number;
}

const repeats = 15;

/** `types`: instance types, each with its own speed and price. */
function choose(labels: Int32Array, models: readonly SelectableModel[], types: number): void {
  for (let type = 0; type < types; type++) {
    const faster = models.map((model) => ({
      ...model,
      medianMs: model.medianMs.map((ms) => ms / (type + 1)),
      quantileMs: model.quantileMs.map((ms) => ms / (type + 1)),
    }));
    const conditions: PlanConditions = {
      floor: 0.85,
      confidence: 0.95,
      limitMs: 50,
      share: 0.95,
      overheadMs: 0.5,
      ratePerSecond: 645,
      usdPerInstanceHour: 0.0425 * (type + 1),
    };
    choosePlans(judgePlans(labels, faster, conditions).plans, { kind: 'cheapest' }, ({ isCertified }) => isCertified);
  }
}

/** Six candidates of the Fashion-MNIST family: each model, and a copy of other speed. */
function candidates(family: Family, count: number): SelectableModel[] {
  const models = selectableModels(family, 50);
  const copies = models.map((model) => ({ ...model, name: `${model.name}-2`, medianMs: model.medianMs.map((ms) => 1.3 * ms) }));
  return [...models, ...copies].slice(0, count);
}

export function choosingTimes(): ChoosingTime[] {
  const cases = [
    { family: 'digits', count: 4, types: 2, targetMs: 50 },
    { family: 'fashion', count: 4, types: 2, targetMs: 50 },
    { family: 'fashion', count: 6, types: 4, targetMs: 250 },
  ] as const;
  const times = cases.map(({ family, count, types, targetMs }): ChoosingTime => {
    const { labels } = outcomesOf(family);
    const models = candidates(family, count);
    const medianMs = medianOf(repeats, () => choose(labels, models, types));
    return { what: `${count} candidates x ${types} instance types, ${labels.length.toLocaleString('en-US')} rows`, medianMs, targetMs };
  });
  return [...times, rungTime()];
}

/** Eight rungs, sixteen instances, a long queue. */
function rungTime(): ChoosingTime {
  const rungs = Array.from({ length: 8 }, (_, rung) => ({ batchSizeMax: 32 - rung, fullBatchMs: 4 + 2.5 * rung }));
  const residualMs = Array.from({ length: 16 }, (_, i) => i);
  const times = 20_000;
  const medianMs = medianOf(repeats, () => {
    for (let i = 0; i < times; i++) {
      const moment = { residualMs, rowsWaiting: 400 + (i % 100), headLeftMs: 44, lastLeftMs: 49, marginMs: 5, overheadMs: 0.5 };
      chooseRung(rungs, moment);
    }
  });
  return { what: 'the rung of a batch, 8 rungs, 16 instances, 400 to 500 rows wait', medianMs: medianMs / times, targetMs: 0.005 };
}

function medianOf(count: number, run: () => void): number {
  run();
  const ms = Array.from({ length: count }, () => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }).sort((a, b) => a - b);
  return ms[Math.floor(count / 2)] as number;
}

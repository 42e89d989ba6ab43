/**
 * Which instances and functions keep a promise at the least price, before anything runs: each mixture that comes into question is played
 * out under the same requests, and the cheapest that keeps the promise within the limits is chosen. Pure.
 */
import { formatMs, formatObjective, type Objective, promisedShare } from '../../objective.ts';
import { batchSizeFor, nearestRank, ServiceTable } from '../../profiling/index.ts';
import { functionChoices, idleUsdPerHour, type UsableSize, usableSizes } from './function-choices.ts';
import type { CurvePoint, DeploymentOrder, DeploymentPlan, Distribution, PlannedMixture } from './plan-order.ts';
import { type Played, type PlayedFunctions, type PlayedInstances, playMixture } from './play-mixture.ts';
import { type PlayedLoad, playedLoad } from './played-load.ts';
import { type ServiceDraws, serviceDraws } from './service-draws.ts';

/** The way to a worker and back, and the encoding of an answer; as dispatch counts with it. */
export const overheadMs = 0.5;

const playedRequests = 6000;
/** A curve has many points, and none of them is promised to anybody. */
const playedForCurve = 1200;
const curvePoints = 32;
const instancesMost = 64;
/** A busier stretch would build a queue for as long as it lasts. */
const utilisationMost = 0.97;
/** A dearer mixture that is quicker is taken where it costs so little more. */
const gainMin = 0.01;
const steps = 84;

/** What an order comes to, whatever the latency that is promised. */
interface Ground {
  readonly order: DeploymentOrder;
  readonly load: PlayedLoad;
  readonly sizes: readonly UsableSize[];
  readonly sizesMost: number;
  readonly instance: { readonly usdPerHour: number; readonly service: ServiceDraws; readonly table: ServiceTable } | null;
}

interface Tried {
  readonly mixture: PlannedMixture;
  readonly played: Played;
}

export function planDeployment(order: DeploymentOrder): DeploymentPlan {
  const { objective, instance } = order;
  const quantile = promisedShare(objective);
  const service = instance === null ? null : serviceDraws(instance.profile, quantile);
  const ground: Ground = {
    order,
    load: playedLoad(order.traffic, playedRequests),
    sizes: usableSizes(order.functions, quantile),
    sizesMost: 2,
    instance:
      instance === null || service === null
        ? null
        : { usdPerHour: instance.usdPerHour, service, table: new ServiceTable(instance.profile) },
  };
  const tried = mixturesFor(ground, objective);
  const chosen = cheapest(tried);
  const curve = order.wantsCurve ? costCurve(ground) : null;
  const nearest = curve?.find(({ usdPerHour }) => usdPerHour !== null);
  return {
    chosen: chosen === null ? null : { ...chosen.mixture, distribution: distributionOf(chosen.played, objective) },
    mixtures: tried.map(({ mixture }) => mixture),
    reason: chosen === null ? reasonOf(ground, tried) : null,
    nearestMs: chosen === null ? (nearest?.latencyMs ?? null) : null,
    curve,
    compared: tried.length,
  };
}

/** The price of every promise. A looser one never costs more: what keeps the tighter one keeps it too. */
function costCurve(ground: Ground): CurvePoint[] {
  const { order } = ground;
  const rough = { ...ground, load: playedLoad(order.traffic, playedForCurve), sizesMost: 1 };
  const { fromMs, toMs } = promiseRange(ground);
  let least: number | null = null;
  return Array.from({ length: curvePoints }, (_, i) => {
    const latencyMs = fromMs * (toMs / fromMs) ** (i / (curvePoints - 1));
    const found = cheapest(mixturesFor(rough, { ...order.objective, latencyMs }));
    const usd = found === null ? null : usdPerHourOf(found.mixture);
    if (usd !== null) least = least === null ? usd : Math.min(least, usd);
    return { latencyMs, usdPerHour: least };
  });
}

/**
 * The promises worth asking for: from half of what one request takes by itself to what holds a start, or a large batch, several times
 * over. It depends on the model alone, so that a slider keeps its scale.
 */
function promiseRange({ sizes, instance }: Ground): { fromMs: number; toMs: number } {
  const draws = [...(instance === null ? [] : [instance.service]), ...sizes.map(({ service }) => service)];
  if (draws.length === 0) return { fromMs: 1, toMs: 1000 };
  const aloneMs = Math.min(...draws.map(({ quantileMs }) => quantileMs(1)));
  const fullMs = Math.min(...draws.map(({ quantileMs, batchMax }) => quantileMs(batchMax)));
  const coldMs = Math.max(0, ...sizes.map((size) => size.coldMs));
  return { fromMs: niceMs((aloneMs + overheadMs) / 2), toMs: niceMs(Math.max(100, 6 * fullMs, 2.5 * coldMs)) };
}

function niceMs(ms: number): number {
  return Number(ms.toPrecision(1));
}

/** Functions alone, then by the number of instances, then instances alone. */
function mixturesFor(ground: Ground, objective: Objective): Tried[] {
  const { order, load, sizes, sizesMost } = ground;
  const wish = { prices: order.functionPrices, latencyMs: objective.latencyMs, overheadMs, provisioned: order.keepOne ? 1 : 0, sizesMost };
  const choices = functionChoices(sizes, wish);
  const alone = choices.map((choice) => tryMixture(ground, objective, null, choice));
  const best = cheapest(alone) ?? alone.toSorted((a, b) => b.mixture.inTime - a.mixture.inTime)[0] ?? null;
  const tried = best === null ? [] : [best];
  const pool = poolFor(ground, objective);
  if (pool === null) return tried;
  const numberFor = (ratePerSecond: number): number =>
    Math.min(instancesMost, Math.max(1, Math.ceil(ratePerSecond / (pool.ratePerSecond * utilisationMost))));
  const needed = numberFor(order.traffic.ratePerSecond);
  const atPeak = numberFor(load.stretches.at(-1)?.ratePerSecond ?? 0);
  const beside = best === null ? undefined : choices[alone.indexOf(best)];
  if (beside !== undefined) {
    for (let count = Math.max(1, needed - 1); count <= Math.min(needed + 1, atPeak); count++) {
      const both = tryMixture(ground, objective, { ...pool, count }, beside);
      // With nothing left for functions they are what they would be alone.
      if (both.mixture.overflowShare > 0) tried.push(both);
    }
  }
  // One more than the load asks for where two requests at once are too many.
  for (let count = atPeak; count <= Math.min(atPeak + 2, instancesMost); count++) {
    const only = tryMixture(ground, objective, { ...pool, count }, null);
    tried.push(only);
    if (only.mixture.inTime >= promisedShare(objective)) return tried;
    if (count < Math.min(atPeak + 2, instancesMost)) tried.pop();
  }
  return tried;
}

function poolFor({ instance }: Ground, objective: Objective): (Omit<PlayedInstances, 'count'> & { readonly ratePerSecond: number }) | null {
  if (instance === null) return null;
  const { batchSize, ratePerSecond, feasible } = batchSizeFor(instance.table, objective, overheadMs);
  return feasible && ratePerSecond > 0 ? { service: instance.service, batchSize, ratePerSecond } : null;
}

function tryMixture(
  { order, load, instance }: Ground,
  objective: Objective,
  instances: PlayedInstances | null,
  functions: PlayedFunctions | null,
): Tried {
  const played = playMixture(load, { instances, functions, latencyMs: objective.latencyMs, overheadMs });
  const { latenciesMs } = played;
  const mixture = {
    instances: instances?.count ?? 0,
    instanceBatchSize: instances?.batchSize ?? null,
    functions:
      functions === null
        ? null
        : { memoryMiB: functions.memoryMiB, batchSizeMax: functions.batchSizeMax, concurrencyMax: played.functionsBusyMax },
    p50Ms: nearestRank(latenciesMs, 0.5),
    p95Ms: nearestRank(latenciesMs, 0.95),
    p99Ms: nearestRank(latenciesMs, 0.99),
    inTime: shareWithin(latenciesMs, objective.latencyMs),
    overflowShare: played.overflowShare,
    meanFunctionBatch: functions === null ? null : played.meanFunctionBatch,
    coldStartShare: played.coldStartShare,
    instanceUsdPerHour: (instances?.count ?? 0) * (instance?.usdPerHour ?? 0),
    functionUsdPerHour: played.functionUsdPerHour + (functions === null ? 0 : idleUsdPerHour(functions)),
  };
  return { mixture: { ...mixture, rejectedBecause: whyNot(mixture, objective, order.usdPerHourMax) }, played };
}

type Costly = Pick<PlannedMixture, 'instanceUsdPerHour' | 'functionUsdPerHour'>;

function usdPerHourOf({ instanceUsdPerHour, functionUsdPerHour }: Costly): number {
  return instanceUsdPerHour + functionUsdPerHour;
}

function whyNot(mixture: Omit<PlannedMixture, 'rejectedBecause'>, objective: Objective, usdPerHourMax: number | null): string | null {
  if (mixture.inTime < promisedShare(objective)) return `${percentText(mixture.inTime)} % in time, promised are ${objective.percentile} %`;
  if (usdPerHourMax !== null && usdPerHourOf(mixture) > usdPerHourMax) return `dearer than $${usdPerHourMax} per hour`;
  return null;
}

/** What is not enough must not look as if it were. */
function percentText(share: number): string {
  return (Math.floor(1000 * share) / 10).toFixed(1);
}

/** Of those that keep the promise; where others cost about the same, the quicker one. */
function cheapest(tried: readonly Tried[]): Tried | null {
  const kept = tried.filter(({ mixture }) => mixture.rejectedBecause === null);
  const least = Math.min(...kept.map(({ mixture }) => usdPerHourOf(mixture)));
  const about = kept.filter(({ mixture }) => usdPerHourOf(mixture) <= least * (1 + gainMin));
  return about.toSorted((a, b) => a.mixture.p95Ms - b.mixture.p95Ms)[0] ?? null;
}

function shareWithin(rising: Float64Array, latencyMs: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rising[middle] as number) <= latencyMs) low = middle + 1;
    else high = middle;
  }
  return rising.length === 0 ? 1 : low / rising.length;
}

/** To 1.4 times the objective; those beyond are in the last step. */
function distributionOf({ latenciesMs }: Played, { latencyMs }: Objective): Distribution {
  const stepMs = (1.4 * latencyMs) / steps;
  const counts = new Array<number>(steps).fill(0);
  for (const ms of latenciesMs) {
    const step = Math.min(steps - 1, Math.floor(ms / stepMs));
    counts[step] = (counts[step] as number) + 1;
  }
  return { stepMs, shares: counts.map((count) => count / latenciesMs.length) };
}

function reasonOf({ order, sizes, instance }: Ground, tried: readonly Tried[]): string {
  const { objective, usdPerHourMax } = order;
  const kept = tried.filter(({ mixture }) => mixture.inTime >= promisedShare(objective));
  if (kept.length > 0) {
    const least = Math.min(...kept.map(({ mixture }) => usdPerHourOf(mixture)));
    return `${formatObjective(objective)} costs at least $${least.toPrecision(3)} per hour, and $${usdPerHourMax} is the most that it may`;
  }
  const draws = [...(instance === null ? [] : [instance.service]), ...sizes.map(({ service }) => service)];
  if (draws.length === 0) return 'no function is large enough for the model, and instances may not be used';
  const aloneMs = Math.min(...draws.map(({ quantileMs }) => quantileMs(1))) + overheadMs;
  if (aloneMs > objective.latencyMs) return `one request alone takes ${msText(aloneMs)}`;
  const closest = tried.toSorted((a, b) => b.mixture.inTime - a.mixture.inTime)[0]?.mixture;
  if (closest === undefined) {
    return `one request alone takes ${msText(aloneMs)}, and one that finds an instance at work waits as long again`;
  }
  const why = closest.coldStartShare > 0.01 ? ': too many requests wait for a function to start' : '';
  return `the best mixture answers ${percentText(closest.inTime)} % in time${why}`;
}

function msText(ms: number): string {
  return formatMs(Number(ms.toPrecision(3))).replace(/(\d)([a-z])/, '$1 $2');
}

/**
 * Finds the cheapest instances and functions that meet an objective, before anything is deployed. Simulates each candidate
 * mixture with the same requests, and chooses the cheapest within the limits. Pure.
 */
import { formatMs, formatObjective, type Objective, objectiveShare } from '../../objective.ts';
import { busyText, typeCapacityOf } from '../../profiling/index.ts';
import { nearestRank } from '../../quantiles.ts';
import { functionChoices, idleUsdPerHour, type UsableSize, usableSizes } from './function-choices.ts';
import { type GeneratedLoad, generateLoad } from './generated-load.ts';
import type { CurvePoint, DeploymentPlan, DeploymentPlanRequest, Distribution, PlannedMixture } from './plan-types.ts';
import { type ServiceDraws, serviceDraws } from './service-draws.ts';
import { type SimulatedFunctionUse, type SimulatedInstanceUse, type SimulatedMixture, simulateMixture } from './simulate-mixture.ts';

/** Milliseconds for transfer to a worker and back, plus encoding; the same value as in dispatch. */
export const planOverheadMs = 0.5;

const playedRequests = 6000;
/** Simulated requests per point of the cost curve; fewer than for the plan, because the many points are only estimates. */
const playedForCurve = 1200;
const curvePoints = 32;
const instancesMost = 64;
/** Maximum utilisation of a stretch; above it, the queue grows for as long as the stretch lasts. */
const utilisationMost = 0.97;
/** A faster mixture is preferred if it costs at most this share more. */
const gainMin = 0.01;
const steps = 84;

/** The parts of a request that do not depend on the objective. */
interface Ground {
  readonly request: DeploymentPlanRequest;
  readonly load: GeneratedLoad;
  readonly sizes: readonly UsableSize[];
  readonly sizesMost: number;
  readonly instance: { readonly name: string; readonly usdPerHour: number; readonly service: ServiceDraws } | null;
}

interface Tried {
  readonly mixture: PlannedMixture;
  readonly played: SimulatedMixture;
}

/** Plans a deployment. If nothing meets the objective within the limits, `chosen` is null and `reason` explains it. */
export function planDeployment(request: DeploymentPlanRequest): DeploymentPlan {
  const { objective, instance } = request;
  const quantile = objectiveShare(objective);
  const service = instance === null ? null : serviceDraws(instance.profile, quantile);
  const foundation: Ground = {
    request,
    load: generateLoad(request.traffic, playedRequests),
    sizes: usableSizes(request.functions, quantile),
    sizesMost: 2,
    instance: instance === null || service === null ? null : { name: instance.name, usdPerHour: instance.usdPerHour, service },
  };
  const tried = mixturesFor(foundation, objective);
  const chosen = cheapest(tried);
  const curve = request.wantsCurve ? costCurve(foundation) : null;
  const nearest = curve?.find(({ usdPerHour }) => usdPerHour !== null);
  return {
    chosen: chosen === null ? null : { ...chosen.mixture, distribution: distributionOf(chosen.played, objective) },
    mixtures: tried.map(({ mixture }) => mixture),
    reason: chosen === null ? reasonOf(foundation, tried) : null,
    nearestMs: chosen === null ? (nearest?.latencyMs ?? null) : null,
    curve,
    compared: tried.length,
  };
}

/** The price of each objective. A looser objective never costs more, because a mixture that meets a tighter one meets it too. */
function costCurve(foundation: Ground): CurvePoint[] {
  const { request } = foundation;
  const rough = { ...foundation, load: generateLoad(request.traffic, playedForCurve), sizesMost: 1 };
  const { fromMs, toMs } = promiseRange(foundation);
  let least: number | null = null;
  return Array.from({ length: curvePoints }, (_, i) => {
    const latencyMs = fromMs * (toMs / fromMs) ** (i / (curvePoints - 1));
    const found = cheapest(mixturesFor(rough, { ...request.objective, latencyMs }));
    const usd = found === null ? null : usdPerHourOf(found.mixture);
    if (usd !== null) least = least === null ? usd : Math.min(least, usd);
    return { latencyMs, usdPerHour: least };
  });
}

/**
 * The useful range of objectives: from half the time of a single request to several times a cold start or a large batch. It
 * depends on the model alone, so the scale of a slider does not change.
 */
function promiseRange({ sizes, instance }: Ground): { fromMs: number; toMs: number } {
  const draws = [...(instance === null ? [] : [instance.service]), ...sizes.map(({ service }) => service)];
  if (draws.length === 0) return { fromMs: 1, toMs: 1000 };
  const aloneMs = Math.min(...draws.map(({ plannedMs }) => plannedMs(1)));
  const fullMs = Math.min(...draws.map(({ plannedMs, batchMax }) => plannedMs(batchMax)));
  const coldMs = Math.max(0, ...sizes.map((size) => size.coldMs));
  return { fromMs: niceMs((aloneMs + planOverheadMs) / 2), toMs: niceMs(Math.max(100, 6 * fullMs, 2.5 * coldMs)) };
}

function niceMs(ms: number): number {
  return Number(ms.toPrecision(1));
}

/** Candidate mixtures: functions alone, both by number of instances, then instances alone. */
function mixturesFor(foundation: Ground, objective: Objective): Tried[] {
  const { request, load, sizes, sizesMost } = foundation;
  const constraints = {
    prices: request.functionPrices,
    objective,
    overheadMs: planOverheadMs,
    provisioned: request.keepOne ? 1 : 0,
    sizesMost,
  };
  const choices = functionChoices(sizes, constraints);
  const alone = choices.map((choice) => tryMixture(foundation, objective, null, choice));
  const best = cheapest(alone) ?? alone.toSorted((a, b) => b.mixture.inTime - a.mixture.inTime)[0] ?? null;
  const tried = best === null ? [] : [best];
  const pool = poolFor(foundation, objective);
  if (pool === null) return tried;
  const numberFor = (ratePerSecond: number): number =>
    Math.min(instancesMost, Math.max(1, Math.ceil(ratePerSecond / (pool.ratePerSecond * utilisationMost))));
  const needed = numberFor(request.traffic.ratePerSecond);
  const atPeak = numberFor(load.stretches.at(-1)?.ratePerSecond ?? 0);
  const overflowChoice = best === null ? undefined : choices[alone.indexOf(best)];
  if (overflowChoice !== undefined) {
    for (let count = Math.max(1, needed - 1); count <= Math.min(needed + 1, atPeak); count++) {
      const both = tryMixture(foundation, objective, { ...pool, count }, overflowChoice);
      // Skipped if functions get no traffic, because then the mixture equals instances alone.
      if (both.mixture.overflowShare > 0) tried.push(both);
    }
  }
  // Tries additional instances, in case random concurrency overloads the minimum.
  for (let count = atPeak; count <= Math.min(atPeak + 2, instancesMost); count++) {
    const only = tryMixture(foundation, objective, { ...pool, count }, null);
    tried.push(only);
    if (only.mixture.inTime >= objectiveShare(objective)) return tried;
    if (count < Math.min(atPeak + 2, instancesMost)) tried.pop();
  }
  return tried;
}

function poolFor(
  { instance }: Ground,
  objective: Objective,
): (Omit<SimulatedInstanceUse, 'count'> & { readonly ratePerSecond: number }) | null {
  if (instance === null) return null;
  const { name, usdPerHour, service } = instance;
  const { batchSize, ratePerSecond, isFeasible } = typeCapacityOf({ name, usdPerHour, service: service.table }, objective, planOverheadMs);
  return isFeasible && ratePerSecond > 0 ? { service, batchSize, ratePerSecond } : null;
}

function tryMixture(
  { request, load, instance }: Ground,
  objective: Objective,
  instances: SimulatedInstanceUse | null,
  functions: SimulatedFunctionUse | null,
): Tried {
  const played = simulateMixture(load, { instances, functions, latencyMs: objective.latencyMs, overheadMs: planOverheadMs });
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
  return { mixture: { ...mixture, rejectedBecause: whyNot(mixture, objective, request.usdPerHourMax) }, played };
}

type Costly = Pick<PlannedMixture, 'instanceUsdPerHour' | 'functionUsdPerHour'>;

function usdPerHourOf({ instanceUsdPerHour, functionUsdPerHour }: Costly): number {
  return instanceUsdPerHour + functionUsdPerHour;
}

function whyNot(mixture: Omit<PlannedMixture, 'rejectedBecause'>, objective: Objective, usdPerHourMax: number | null): string | null {
  if (mixture.inTime < objectiveShare(objective)) return `${percentText(mixture.inTime)} % in time, ${objective.percentile} % promised`;
  if (usdPerHourMax !== null && usdPerHourOf(mixture) > usdPerHourMax) return `costs more than $${usdPerHourMax} per hour`;
  return null;
}

/** Rounds down, so a share below the objective is never displayed as sufficient. */
function percentText(share: number): string {
  return (Math.floor(1000 * share) / 10).toFixed(1);
}

/** The cheapest mixture that meets the objective; the faster one at about equal cost. */
function cheapest(tried: readonly Tried[]): Tried | null {
  const retained = tried.filter(({ mixture }) => mixture.rejectedBecause === null);
  const least = Math.min(...retained.map(({ mixture }) => usdPerHourOf(mixture)));
  const about = retained.filter(({ mixture }) => usdPerHourOf(mixture) <= least * (1 + gainMin));
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

/** Latencies up to 1.4 times the objective; the last step also counts all longer ones. */
function distributionOf({ latenciesMs }: SimulatedMixture, { latencyMs }: Objective): Distribution {
  const stepMs = (1.4 * latencyMs) / steps;
  const counts = new Array<number>(steps).fill(0);
  for (const ms of latenciesMs) {
    const step = Math.min(steps - 1, Math.floor(ms / stepMs));
    counts[step] = (counts[step] as number) + 1;
  }
  return { stepMs, shares: counts.map((count) => count / latenciesMs.length) };
}

function reasonOf({ request, sizes, instance }: Ground, tried: readonly Tried[]): string {
  const { objective, usdPerHourMax } = request;
  const retained = tried.filter(({ mixture }) => mixture.inTime >= objectiveShare(objective));
  if (retained.length > 0) {
    const least = Math.min(...retained.map(({ mixture }) => usdPerHourOf(mixture)));
    return `${formatObjective(objective)} costs at least $${least.toPrecision(3)} per hour, above the limit of $${usdPerHourMax}`;
  }
  const draws = [...(instance === null ? [] : [instance.service]), ...sizes.map(({ service }) => service)];
  if (draws.length === 0) return 'no function is large enough for the model, and instances are not allowed';
  const aloneMs = Math.min(...draws.map(({ plannedMs }) => plannedMs(1))) + planOverheadMs;
  if (aloneMs > objective.latencyMs) return `one request alone takes ${msText(aloneMs)}${busyHint(request)}`;
  const closest = tried.toSorted((a, b) => b.mixture.inTime - a.mixture.inTime)[0]?.mixture;
  if (closest === undefined) {
    return `one request alone takes ${msText(aloneMs)}, and one that finds an instance busy waits as long again`;
  }
  const why = closest.coldStartShare > 0.01 ? ': too many requests wait for a function to start' : '';
  return `the best mixture answers ${percentText(closest.inTime)} % in time${why}`;
}

/** The longest of a few runs on a busy machine may be far above what a quiet one takes. */
function busyHint({ instance, functions }: DeploymentPlanRequest): string {
  const profiles = [...(instance === null ? [] : [instance.profile]), ...functions.map(({ profile }) => profile)];
  const isBusy = profiles.some((profile) => busyText(profile) !== null);
  return isBusy ? ', measured on a busy machine: profile it again on a quiet one' : '';
}

function msText(ms: number): string {
  return formatMs(Number(ms.toPrecision(3))).replace(/(\d)([a-z])/, '$1 $2');
}

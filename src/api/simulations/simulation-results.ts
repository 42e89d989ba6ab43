/** Results of a simulation, downsampled for charts. */
import { nearestRank } from '../../quantiles.ts';
import type { SimulationResult, SimulationRuns } from '../../simulation/index.ts';
import type { PolicyResultBody, SimulationResultBody } from './simulation-bodies.ts';
import type { SimulationFacts } from './simulation-spec.ts';

type Minute = SimulationResult['timeline'][number];
const pointsMax = 720;

export function policyResultsOf({
  results,
  orders,
  facts,
}: ReturnType<SimulationRuns<SimulationFacts>['get']>): Pick<SimulationResultBody, 'period_s' | 'at_s' | 'requests' | 'results'> {
  const done = results.flatMap((result, i) => (result === null ? [] : [{ result, isDeployed: orders[i]?.label !== undefined }]));
  const minutes = Math.ceil(facts.load.duration_s / 60);
  const minutesPerPoint = Math.max(1, Math.ceil(minutes / pointsMax));
  const starts = Array.from({ length: Math.ceil(minutes / minutesPerPoint) }, (_, i) => i * minutesPerPoint);
  const [first] = done;
  const parts = (timeline: readonly Minute[]): (readonly Minute[])[] =>
    starts.map((start) => timeline.slice(start, start + minutesPerPoint));
  return {
    period_s: minutesPerPoint * 60,
    at_s: starts.map((start) => start * 60),
    requests:
      first === undefined
        ? starts.map(() => null)
        : parts(first.result.timeline).map((part, i) => {
            // The last period may be shorter: divided by the full length, its rate would be too low.
            const seconds = Math.min(60 * minutesPerPoint, facts.load.duration_s - 60 * (starts[i] as number));
            return sumOf(part, (each) => each.arrivals) / seconds;
          }),
    results: done.map(({ result, isDeployed }) => bodyOf(result, isDeployed, parts(result.timeline))),
  };
}

function bodyOf(result: SimulationResult, isDeployed: boolean, parts: readonly (readonly Minute[])[]): PolicyResultBody {
  const worst = (of: (minute: Minute) => number | null) => parts.map((part) => maxOf(part.flatMap((minute) => of(minute) ?? [])));
  const sums = (of: (minute: Minute) => number) => parts.map((part) => sumOf(part, of));
  const percentiles = result.timeline.flatMap(({ p95Ms }) => p95Ms ?? []).sort((a, b) => a - b);
  const { costUsd, instanceUsd, overflowUsd, overflowShare, costUsdPerMillion } = result;
  return {
    policy: result.policy,
    is_deployed: isDeployed,
    requests: result.requests,
    rows: result.rows,
    in_time: result.attainment,
    late: result.late,
    dropped: result.dropped,
    rejected: result.rejected,
    cost_usd: costUsd,
    instance_usd: instanceUsd,
    function_usd: overflowUsd,
    cost_usd_per_million: costUsdPerMillion,
    instance_hours: Object.values(result.instanceSeconds).reduce((sum, seconds) => sum + seconds, 0) / 3600,
    function_share: overflowShare,
    cold_starts: result.coldStarts,
    p50_ms: result.p50Ms,
    p95_ms: result.p95Ms,
    p99_ms: result.p99Ms,
    p95_of_minutes: { median_ms: rankOf(percentiles, 0.5), worst_ms: rankOf(percentiles, 0.99) },
    decided: result.decided,
    changes: result.decisions.length,
    series: {
      p95_ms: worst(({ p95Ms }) => p95Ms),
      instances: parts.map((part) => (part.length === 0 ? null : sumOf(part, ({ active }) => active) / part.length)),
      function_rows: sums(({ overflow }) => overflow),
      queue_rows: worst(({ queueMax }) => queueMax),
      cost_usd: sums((minute) => minute.costUsd),
      late: sums(({ violations }) => violations),
    },
  };
}

function sumOf(minutes: readonly Minute[], of: (minute: Minute) => number): number {
  return minutes.reduce((sum, minute) => sum + of(minute), 0);
}

function maxOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.max(...values);
}

function rankOf(ascending: readonly number[], share: number): number | null {
  return ascending.length === 0 ? null : nearestRank(ascending, share);
}

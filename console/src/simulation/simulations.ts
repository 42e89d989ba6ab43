/** What this page asks for: simulations that were run, and one with what it brought. */
import { queryOptions } from '@tanstack/react-query';
import type { Page, PolicyResultBody, SimulationBody, SimulationResultBody } from '../../../src/api/index.ts';
import { get, path } from '../api/client.ts';
import { parseObjective, percent, usd } from '../kit/format.ts';

export const simulationsQuery = () =>
  queryOptions({ queryKey: ['simulations'], queryFn: ({ signal }) => get<Page<SimulationBody>>('/simulations', {}, signal) });

const isOver = (state: SimulationBody['state'] | undefined): boolean => state !== undefined && state !== 'waiting' && state !== 'running';

export const simulationQuery = (simulation: string) =>
  queryOptions({
    queryKey: ['simulation', simulation],
    queryFn: ({ signal }) => get<SimulationResultBody>(path('/simulations/:simulation', { simulation }), {}, signal),
    refetchInterval: ({ state: { data } }) => (isOver(data?.state) ? false : 1000),
  });

export const stateWords: Readonly<Record<SimulationBody['state'], readonly ['ok' | 'changing' | 'zero' | 'bad', string]>> = {
  waiting: ['changing', 'Waiting'],
  running: ['changing', 'Running'],
  done: ['ok', 'Done'],
  failed: ['bad', 'Failed'],
  cancelled: ['zero', 'Cancelled'],
};

/** The share that is promised. */
export function promisedShare({ objective }: Pick<SimulationBody, 'objective'>): number {
  return (parseObjective(objective)?.percentile ?? 95) / 100;
}

export function keepsPromise(run: SimulationBody, result: PolicyResultBody): boolean {
  return result.in_time >= promisedShare(run);
}

/** The cheapest that keeps the promise; where none does, who comes closest. */
export function bestOf(run: SimulationBody, results: readonly PolicyResultBody[]): PolicyResultBody | null {
  const kept = results.filter((result) => keepsPromise(run, result));
  if (kept.length === 0) return results.toSorted((a, b) => b.in_time - a.in_time)[0] ?? null;
  return kept.toSorted((a, b) => a.cost_usd - b.cost_usd)[0] ?? null;
}

const names: Readonly<Record<string, string>> = {
  economic: 'Penstock',
  'mark-greedy': 'MArk',
  batch: 'BATCH',
  'target-tracking': 'Target tracking',
  hpa: 'Kubernetes HPA',
  kpa: 'Knative KPA',
  ray: 'Ray Serve',
  static: 'Always-on',
};

/** `economic` as people call it; what it was written as stands below. */
export function policyName(policy: string): string {
  if (policy.startsWith('deployed: ')) return 'As deployed';
  const [kind = ''] = policy.split(/[:,+|]/, 1);
  return names[kind] ?? policy;
}

/** The result in a sentence: who wins, and what the others would cost or miss. */
export function verdictOf(
  run: SimulationBody,
  results: readonly PolicyResultBody[],
): { readonly title: string; readonly more: string } | null {
  const best = bestOf(run, results);
  if (best === null) return null;
  const isKept = keepsPromise(run, best);
  const share = `${percent(best.in_time)} % in time, ${percent(promisedShare(run))} % promised`;
  const title = isKept
    ? `${policyName(best.policy)} costs ${usd(best.cost_usd)} and keeps the promise (${share}).`
    : `No policy keeps the promise: ${policyName(best.policy)} comes closest (${share}) for ${usd(best.cost_usd)}.`;
  const others = results.filter((result) => result !== best).slice(0, 3);
  return { title, more: others.map((other) => against(run, other, best)).join('; ') + (others.length === 0 ? '' : '.') };
}

function against(run: SimulationBody, other: PolicyResultBody, best: PolicyResultBody): string {
  const factor = best.cost_usd === 0 ? null : other.cost_usd / best.cost_usd;
  const money =
    factor === null
      ? usd(other.cost_usd)
      : factor >= 2
        ? `costs ${factor.toFixed(1)} times as much`
        : `costs ${percent(Math.abs(factor - 1))} % ${factor >= 1 ? 'more' : 'less'}`;
  const missed = keepsPromise(run, other) ? '' : ` and answers ${percent(1 - other.in_time)} % late`;
  return `${policyName(other.policy)} ${money}${missed}`;
}

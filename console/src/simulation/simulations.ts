/** Queries of the What-if page, and the evaluation of results. */
import { queryOptions } from '@tanstack/react-query';
import type { PageBody, PolicyResultBody, SimulationBody, SimulationResultBody } from '../../../src/api/index.ts';
import { get, path } from '../api/client.ts';
import { parseObjectiveText, percent, usd } from '../kit/format/format.ts';

export const simulationsQuery = () =>
  queryOptions({ queryKey: ['simulations'], queryFn: ({ signal }) => get<PageBody<SimulationBody>>('/simulations', {}, signal) });

const isOver = (state: SimulationBody['state'] | undefined): boolean => state !== undefined && state !== 'waiting' && state !== 'running';

export const simulationQuery = (simulation: string) =>
  queryOptions({
    queryKey: ['simulation', simulation],
    queryFn: ({ signal }) => get<SimulationResultBody>(path('/simulations/:simulation', { simulation }), {}, signal),
    refetchInterval: ({ state: { data } }) => (isOver(data?.state) ? false : 1000),
  });

export const stateLabels: Readonly<Record<SimulationBody['state'], readonly ['ok' | 'changing' | 'zero' | 'bad', string]>> = {
  waiting: ['changing', 'Waiting'],
  running: ['changing', 'Running'],
  done: ['ok', 'Done'],
  failed: ['bad', 'Failed'],
  cancelled: ['zero', 'Cancelled'],
};

/** The in-time share that the objective requires: 0.95 for p95. */
export function promisedShareOf({ objective }: Pick<SimulationBody, 'objective'>): number {
  return (parseObjectiveText(objective)?.percentile ?? 95) / 100;
}

export function meetsObjective(run: SimulationBody, result: PolicyResultBody): boolean {
  return result.in_time >= promisedShareOf(run);
}

/** The cheapest policy that meets the objective; if none does, the one with the highest in-time share. */
export function bestOf(run: SimulationBody, results: readonly PolicyResultBody[]): PolicyResultBody | null {
  const meeting = results.filter((result) => meetsObjective(run, result));
  if (meeting.length === 0) return results.toSorted((a, b) => b.in_time - a.in_time)[0] ?? null;
  return meeting.toSorted((a, b) => a.cost_usd - b.cost_usd)[0] ?? null;
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

/** The common name of a policy: `economic` is Penstock's own. */
export function policyName(policy: string): string {
  if (policy.startsWith('deployed: ')) return 'As deployed';
  const [kind = ''] = policy.split(/[:,+|]/, 1);
  return names[kind] ?? policy;
}

/** A summary: the best policy, and the others compared with it. */
export function summarizeResults(
  run: SimulationBody,
  results: readonly PolicyResultBody[],
): { readonly title: string; readonly more: string } | null {
  const best = bestOf(run, results);
  if (best === null) return null;
  const isMet = meetsObjective(run, best);
  const share = `${percent(best.in_time)} % in time, objective ${percent(promisedShareOf(run))} %`;
  const title = isMet
    ? `${policyName(best.policy)} costs ${usd(best.cost_usd)} and meets the objective (${share}).`
    : `No policy meets the objective: ${policyName(best.policy)} comes closest (${share}) for ${usd(best.cost_usd)}.`;
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
  const missed = meetsObjective(run, other) ? '' : `, but ${percent(1 - other.in_time)} % of its responses are late`;
  return `${policyName(other.policy)} ${money}${missed}`;
}

/** Routes of what-if: policies against a load, simulated beside the gateway, kept for a while. */
import { z } from 'zod';
import type { SimulationRuns } from '../simulation/index.ts';
import { pageOf } from './bodies.ts';
import { timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';
import { type SimulationBody, simulationBody, simulationInput, simulationResultBody } from './simulation-bodies.ts';
import { type SimulationFacts, simulationOf } from './simulation-order.ts';
import { resultsOf } from './simulation-results.ts';

type Run = ReturnType<SimulationRuns<SimulationFacts>['get']>;
const runPath = z.strictObject({ simulation: z.string().max(64) });

export function simulationRoutes(services: ApiServices, simulations: SimulationRuns<SimulationFacts>): Route[] {
  return [
    route('POST /simulations', {
      summary: 'Simulate policies under a load: one recorded of an endpoint, uploaded or made up',
      description:
        'Answers at once; each policy is simulated request by request, through the code that serves and decides. One simulation runs at a time, ' +
        'for at most ten minutes; the last twenty are kept while the server runs.',
      body: simulationInput,
      answer: simulationBody,
      status: 202,
      handle: async ({ body }) => {
        const { orders, facts } = await simulationOf(body, services);
        return bodyOf(simulations.start(orders, facts));
      },
    }),
    route('GET /simulations', {
      summary: 'List the simulations, the latest first',
      answer: pageOf(simulationBody),
      handle: () => ({ items: simulations.list().map(bodyOf), next: null }),
    }),
    route('GET /simulations/:simulation', {
      summary: 'Tell how a simulation goes, and what it brought',
      params: runPath,
      answer: simulationResultBody,
      handle: ({ params }) => {
        const run = simulations.get(params.simulation);
        return Buffer.from(JSON.stringify({ ...bodyOf(run), ...resultsOf(run) }));
      },
    }),
    route('DELETE /simulations/:simulation', {
      summary: 'Cancel a simulation, or forget one that has ended',
      params: runPath,
      handle: ({ params }) => simulations.remove(params.simulation),
    }),
  ];
}

function bodyOf({ id, state, reason, facts, results, orders, ...at }: Run): SimulationBody {
  const { load, ...told } = facts;
  const first = results.find((result) => result !== null);
  return {
    id,
    state,
    reason,
    asked_at: timeOf(at.askedAtMs),
    started_at: at.startedAtMs === null ? null : timeOf(at.startedAtMs),
    ended_at: at.endedAtMs === null ? null : timeOf(at.endedAtMs),
    done: results.filter((result) => result !== null).length,
    of: orders.length,
    load: { ...load, requests: first?.requests ?? null },
    ...told,
  };
}

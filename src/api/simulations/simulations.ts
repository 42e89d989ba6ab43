/** Routes of what-if simulations: policies under a load, run in threads, with the last results retained. */
import { z } from 'zod';
import type { SimulationRuns } from '../../simulation/index.ts';
import { pageBody } from '../bodies.ts';
import { isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type SimulationBody, simulationBody, simulationInput, simulationResultBody } from './simulation-bodies.ts';
import { policyResultsOf } from './simulation-results.ts';
import { type SimulationFacts, simulationSpecOf } from './simulation-spec.ts';

/** What these routes need of the server. */
type Services = Pick<
  ApiServices,
  | 'arrivals'
  | 'clock'
  | 'decisions'
  | 'deployments'
  | 'functionProfiles'
  | 'prices'
  | 'profiles'
  | 'registry'
  | 'server'
  | 'serving'
  | 'tables'
  | 'threads'
>;

type Run = ReturnType<SimulationRuns<SimulationFacts>['get']>;
const runPath = z.strictObject({ simulation: z.string().max(64) });

export function simulationRoutes(services: Services, simulations: SimulationRuns<SimulationFacts>): ApiRoute[] {
  return [
    apiRoute('POST /simulations', {
      summary: 'Simulate policies under a recorded, uploaded or generated load',
      description:
        'Returns at once. Each policy is simulated request by request with the production code for serving and scaling. One simulation runs at a time, ' +
        'for at most ten minutes; the last twenty are retained until the server stops.',
      body: simulationInput,
      answer: simulationBody,
      status: 202,
      handle: async ({ body }) => {
        const { orders, facts } = await simulationSpecOf(body, services);
        return bodyOf(simulations.start(orders, facts));
      },
    }),
    apiRoute('GET /simulations', {
      summary: 'List the simulations, newest first',
      answer: pageBody(simulationBody),
      handle: () => ({ items: simulations.list().map(bodyOf), next: null }),
    }),
    apiRoute('GET /simulations/:simulation', {
      summary: 'Get the state and results of a simulation',
      params: runPath,
      answer: simulationResultBody,
      handle: ({ params }) => {
        const run = simulations.get(params.simulation);
        return Buffer.from(JSON.stringify({ ...bodyOf(run), ...policyResultsOf(run) }));
      },
    }),
    apiRoute('DELETE /simulations/:simulation', {
      summary: 'Cancel a running simulation, or delete a finished one',
      params: runPath,
      handle: ({ params }) => simulations.remove(params.simulation),
    }),
  ];
}

function bodyOf({ id, state, reason, facts, results, orders, ...at }: Run): SimulationBody {
  const { load, ...reported } = facts;
  const first = results.find((result) => result !== null);
  return {
    id,
    state,
    reason,
    asked_at: isoTime(at.requestedAtMs),
    started_at: at.startedAtMs === null ? null : isoTime(at.startedAtMs),
    ended_at: at.endedAtMs === null ? null : isoTime(at.endedAtMs),
    done: results.filter((result) => result !== null).length,
    of: orders.length,
    load: { ...load, requests: first?.requests ?? null },
    ...reported,
  };
}

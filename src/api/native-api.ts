/** The native REST API: `/api/v1`, its description at `/api/v1/openapi.json`, its page at `/api/docs`. */
import type { IncomingMessage } from 'node:http';
import type { Access, Caller } from '../access/index.ts';
import { asPlatformError } from '../errors.ts';
import { describeApi, type HttpScope } from '../http/index.ts';
import { claimedKey, type Metrics, unknownCaller } from '../monitoring/index.ts';
import { SimulationRuns } from '../simulation/index.ts';
import { arrivalRoutes } from './arrivals.ts';
import { asyncRoutes } from './async.ts';
import { auditRoutes } from './audit.ts';
import { catalogueRoutes } from './catalogue.ts';
import { costRoutes } from './costs.ts';
import { decisionRoutes } from './decisions.ts';
import { deedOf } from './deeds.ts';
import { deploymentPlanRoutes } from './deployment-plans.ts';
import { driftRoutes } from './drift.ts';
import { endpointRoutes } from './endpoints.ts';
import { eventRoutes } from './events.ts';
import { groupRoutes, versionRoutes } from './groups.ts';
import { historyRoutes } from './history.ts';
import { invokeRoutes } from './invoke.ts';
import { liveRoutes } from './live.ts';
import { logRoutes } from './logs.ts';
import { metricRoutes } from './metrics.ts';
import { modelPreviewRoutes } from './model-previews.ts';
import { overviewRoutes } from './overview.ts';
import { OverviewReader } from './overview-reader.ts';
import { profileRoutes } from './profiles.ts';
import { requestRoutes } from './requests.ts';
import { mount, type RefusedRoute, type Route } from './route.ts';
import { ruleRoutes } from './rules.ts';
import { serverRoutes } from './server.ts';
import type { ApiServices } from './services.ts';
import { sessionRoutes } from './session.ts';
import type { SimulationFacts } from './simulation-order.ts';
import { simulationRoutes } from './simulations.ts';
import { Streams } from './streams.ts';
import { transformRoutes } from './transforms.ts';
import { updateRoutes } from './updates.ts';
import { usageRoutes } from './usage.ts';

const tags = [
  { name: 'session', description: 'Who one is; signing in and out in a browser.' },
  { name: 'overview', description: 'How all endpoints are, at once.' },
  { name: 'live', description: 'Numbers and events as they come.' },
  { name: 'status', description: 'The server itself.' },
  { name: 'catalogue', description: 'Models that come with Penstock.' },
  { name: 'models', description: 'Model files before they are registered.' },
  { name: 'groups', description: 'Model groups, their versions, approval and profiles.' },
  { name: 'endpoints', description: 'What clients call.' },
  { name: 'async', description: 'What endpoints work on later.' },
  { name: 'transforms', description: 'Whole data sets through a model.' },
  { name: 'simulations', description: 'What policies would have made of a load.' },
  { name: 'plan', description: 'What would be chosen, without deploying anything.' },
  { name: 'decisions', description: 'What was chosen for all endpoints, and why.' },
  { name: 'updates', description: 'How the updates of all endpoints went.' },
  { name: 'metrics', description: 'What was measured.' },
  { name: 'alarms', description: 'What rings, and when it does.' },
  { name: 'events', description: 'What happens, as it happens.' },
  { name: 'rules', description: 'Who is told of events, and what has not arrived.' },
  { name: 'logs', description: 'What happened.' },
  { name: 'requests', description: 'Where the time of a single request went.' },
  { name: 'audit', description: 'Who did what.' },
  { name: 'keys', description: 'Who may what.' },
  { name: 'prices', description: 'What things cost.' },
  { name: 'costs', description: 'What was used, and what that cost.' },
];

export class NativeApi {
  readonly #services: ApiServices;
  readonly #streams: Streams;
  readonly #simulations: SimulationRuns<SimulationFacts>;

  constructor(services: ApiServices) {
    this.#services = services;
    this.#streams = new Streams(services.clock, services.authenticate);
    // Half the machine at most: the other half serves.
    this.#simulations = new SimulationRuns({ clock: services.clock, threads: Math.max(1, Math.floor(services.server.cores / 2)) });
  }

  /** Registers everything below `/api`: `listener.scope('/api', (scope) => api.register(scope))`. */
  async register(scope: HttpScope): Promise<void> {
    await describeApi(scope, {
      title: 'Penstock',
      version: this.#services.server.version,
      description:
        'Register models, approve them, deploy them with a promise, call them. Every call but the documents takes ' +
        '`Authorization: Bearer ID:SECRET`, or the cookie of a session; on loopback it may come without.',
      documentPath: '/v1/openapi.json',
      pagePath: '/docs',
      tags,
    });
    await scope.register(async (v1) => mount(v1 as HttpScope, this.#routes(), { ...this.#services, onRefused: this.#refused.bind(this) }), {
      prefix: '/v1',
    });
  }

  /** Ends the streams, for which a listener that closes would wait, and what is simulated. */
  close(): void {
    this.#simulations.close();
    this.#streams.close();
  }

  /** A call that was to change something and was refused: it did nothing, and is told of all the same. So is who shows a key that is none. */
  async #refused({ caller, key, target, headers }: RefusedRoute, error: unknown): Promise<void> {
    const { code, message } = asPlatformError(error);
    const deed = deedOf(key);
    if (deed === null && (caller !== null || headers.authorization === undefined)) return;
    // A body that is not what its schema says is Fastify's to refuse, by a status: that is no fault of ours.
    const { statusCode = 500 } = error as { readonly statusCode?: number };
    const outcome = code === 'internal' && statusCode < 500 ? 'invalid_request' : code;
    const who = caller === null || key === 'POST /session' ? unknownCaller : caller.keyId;
    const detail = { message: message.slice(0, 1024), ...(caller === null ? claimedKey(headers.authorization) : {}) };
    await this.#services.refusals.record({ who, action: deed ?? 'Authenticate', target, outcome, detail });
  }

  #routes(): Route[] {
    const services = this.#services;
    const overview = new OverviewReader(services);
    return [
      ...overviewRoutes(overview),
      ...liveRoutes(services, this.#streams, overview),
      ...historyRoutes(services),
      ...sessionRoutes(services),
      ...serverRoutes(services),
      ...auditRoutes(services),
      ...catalogueRoutes(services),
      ...groupRoutes(services),
      ...versionRoutes(services),
      ...modelPreviewRoutes(services),
      ...profileRoutes(services),
      ...endpointRoutes(services, overview),
      ...transformRoutes(services),
      ...simulationRoutes(services, this.#simulations),
      ...arrivalRoutes(services),
      ...driftRoutes(services),
      ...metricRoutes(services),
      ...decisionRoutes(services),
      ...deploymentPlanRoutes(services),
      ...costRoutes(services),
      ...invokeRoutes(services),
      ...asyncRoutes(services),
      ...ruleRoutes(services),
      ...eventRoutes(services, this.#streams),
      ...logRoutes(services, this.#streams),
      ...requestRoutes(services),
      ...updateRoutes(services),
      ...usageRoutes(services),
    ];
  }
}

export interface MetricsServices {
  readonly metrics: Pick<Metrics, 'prometheus'>;
  readonly access: Pick<Access, 'require'>;
  readonly authenticate: (request: IncomingMessage) => Caller;
}

/** `GET /metrics`, for Prometheus: `listener.scope('', (scope) => registerMetrics(scope, …))`. */
export function registerMetrics(scope: HttpScope, { metrics, access, authenticate }: MetricsServices): void {
  scope.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    access.require(authenticate(request.raw), 'read');
    const { contentType, body } = await metrics.prometheus(request.headers.accept);
    return reply.type(contentType).send(body);
  });
}

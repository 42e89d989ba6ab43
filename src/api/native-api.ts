/** The native REST API: `/api/v1`, its description at `/api/v1/openapi.json`, its page at `/api/docs`. */
import type { IncomingMessage } from 'node:http';
import { type Access, type Caller, permissionFor } from '../access/index.ts';
import { asPlatformError } from '../errors.ts';
import { describeApi, type HttpScope } from '../http/index.ts';
import type { Metrics } from '../metrics/index.ts';
import { claimedKey, unknownCaller } from '../records/index.ts';
import { SimulationRuns } from '../simulation/index.ts';
import { alarmRoutes } from './alerts/alarms.ts';
import { ruleRoutes } from './alerts/rules.ts';
import { driftRoutes } from './data-quality/drift.ts';
import { deploymentPlanRoutes } from './endpoints/deployment-plans.ts';
import { endpointRoutes } from './endpoints/endpoints.ts';
import { updateRoutes } from './endpoints/updates.ts';
import { asyncRoutes } from './inference/async.ts';
import { invokeRoutes } from './inference/invoke.ts';
import { requestRoutes } from './inference/requests.ts';
import { transformRoutes } from './inference/transforms.ts';
import { arrivalRoutes } from './metrics/arrivals.ts';
import { costRoutes } from './metrics/costs.ts';
import { historyRoutes } from './metrics/history.ts';
import { liveRoutes } from './metrics/live.ts';
import { metricRoutes } from './metrics/metrics.ts';
import { OverviewReader, overviewRoutes } from './metrics/overview-reader.ts';
import { usageRoutes } from './metrics/usage.ts';
import { approvalRoutes } from './models/approvals.ts';
import { catalogueRoutes } from './models/catalogue.ts';
import { environmentRoutes } from './models/environments.ts';
import { evaluationRoutes, evaluationSetRoutes } from './models/evaluations.ts';
import { groupRoutes, versionRoutes } from './models/groups.ts';
import { cardRoutes } from './models/model-card.ts';
import { modelPreviewRoutes } from './models/model-previews.ts';
import { profileRoutes } from './models/profiles.ts';
import { selectionRoutes } from './models/selections.ts';
import { auditRoutes } from './records/audit.ts';
import { decisionRoutes } from './records/decisions.ts';
import { eventRoutes } from './records/events.ts';
import { logRoutes } from './records/logs.ts';
import { type ApiRoute, mount, type RejectedRoute } from './routing/route.ts';
import { auditActionOf } from './routing/route-actions.ts';
import type { ApiServices } from './routing/services.ts';
import { Streams } from './routing/streams.ts';
import { clusterRoutes } from './server/cluster.ts';
import { clusterAccessRoutes } from './server/cluster-access.ts';
import { serverRoutes } from './server/server.ts';
import { sessionRoutes } from './server/session.ts';
import type { SimulationFacts } from './simulations/simulation-spec.ts';
import { simulationRoutes } from './simulations/simulations.ts';
import { pipelineRoutes } from './training/pipelines.ts';
import { processingRoutes } from './training/processing-jobs.ts';
import { sageMakerPipelineRoutes } from './training/sagemaker-pipelines.ts';
import { trainingRoutes } from './training/training-jobs.ts';
import { tuningRoutes } from './training/tuning-jobs.ts';

const tags = [
  { name: 'session', description: 'The identity of the caller; signing in and out in a browser.' },
  { name: 'overview', description: 'State and metrics of all endpoints in one call.' },
  { name: 'live', description: 'Live metrics and events.' },
  { name: 'status', description: 'The server itself.' },
  { name: 'catalogue', description: 'Models that ship with Penstock.' },
  { name: 'models', description: 'Inspection of model files before they are registered.' },
  { name: 'groups', description: 'Model groups, their versions, approval and profiles.' },
  { name: 'environments', description: 'Python environments for models.' },
  { name: 'endpoints', description: 'Endpoints: deployment, updates and invocation.' },
  { name: 'async', description: 'Asynchronous requests.' },
  { name: 'transforms', description: 'Batch transforms of data sets.' },
  { name: 'training-jobs', description: 'Training jobs: code and data become a model version.' },
  { name: 'tuning-jobs', description: 'Tuning jobs: training jobs with different hyperparameters, which are compared.' },
  { name: 'processing-jobs', description: 'Processing jobs of AWS clients: scripts that prepare data or evaluate models.' },
  { name: 'sagemaker-pipelines', description: 'Pipelines that AWS clients define: graphs of jobs, and their executions.' },
  { name: 'pipelines', description: 'Pipelines: train, evaluate, approve if better, roll out watched.' },
  { name: 'evaluations', description: 'Evaluations: models judged by a labelled set.' },
  { name: 'evaluation-sets', description: 'Labelled sets that models are judged by.' },
  { name: 'simulations', description: 'Simulations of scaling policies under a load.' },
  { name: 'plan', description: 'Plans: what would be chosen, without deploying anything.' },
  { name: 'decisions', description: 'Batching and scaling decisions, and their reasons.' },
  { name: 'updates', description: 'Updates of all endpoints.' },
  { name: 'metrics', description: 'Stored metrics.' },
  { name: 'alarms', description: 'Alarms and their state.' },
  { name: 'events', description: 'Platform events, past and live.' },
  { name: 'rules', description: 'Event rules, their targets and pending deliveries.' },
  { name: 'logs', description: 'Logs of the server, of requests and of workers.' },
  { name: 'requests', description: 'Timings and explanation of a single request.' },
  { name: 'audit', description: 'The audit log.' },
  { name: 'cluster', description: 'Nodes and hosts of a cluster.' },
  { name: 'keys', description: 'Access keys and their roles.' },
  { name: 'prices', description: 'The price table.' },
  { name: 'costs', description: 'Usage and cost.' },
];

/** A new noun is a line here. Its routes name what they need, which `platform.ts` must then pass in. */
const nouns = [
  historyRoutes,
  sessionRoutes,
  serverRoutes,
  clusterRoutes,
  clusterAccessRoutes,
  auditRoutes,
  catalogueRoutes,
  environmentRoutes,
  groupRoutes,
  versionRoutes,
  approvalRoutes,
  modelPreviewRoutes,
  profileRoutes,
  transformRoutes,
  tuningRoutes,
  processingRoutes,
  sageMakerPipelineRoutes,
  pipelineRoutes,
  cardRoutes,
  selectionRoutes,
  evaluationRoutes,
  evaluationSetRoutes,
  arrivalRoutes,
  driftRoutes,
  metricRoutes,
  alarmRoutes,
  decisionRoutes,
  deploymentPlanRoutes,
  costRoutes,
  invokeRoutes,
  asyncRoutes,
  ruleRoutes,
  requestRoutes,
  updateRoutes,
  usageRoutes,
];

/** What the routes of all nouns need, together. */
type NounDeps = (typeof nouns)[number] extends (deps: infer Deps) => ApiRoute[] ? Deps : never;
type NativeApiDeps = ApiServices & NounDeps;

export class NativeApi {
  readonly #services: NativeApiDeps;
  readonly #streams: Streams;
  readonly #simulations: SimulationRuns<SimulationFacts>;

  constructor(services: NativeApiDeps) {
    this.#services = services;
    this.#streams = new Streams(services.clock, services.authenticate);
    // At most half of the cores: the other half serves requests.
    this.#simulations = new SimulationRuns({ clock: services.clock, threads: Math.max(1, Math.floor(services.server.cores / 2)) });
  }

  /** Registers everything below `/api`: `listener.scope('/api', (scope) => api.register(scope))`. */
  async register(scope: HttpScope): Promise<void> {
    await describeApi(scope, {
      title: 'Penstock',
      version: this.#services.server.version,
      description:
        'Register models, approve them, deploy them with a latency objective, and invoke them. Every call except this document requires ' +
        '`Authorization: Bearer ID:SECRET` or a session cookie. On loopback, authentication is optional.',
      documentPath: '/v1/openapi.json',
      pagePath: '/docs',
      tags,
    });
    await scope.register(
      async (v1) => mount(v1 as HttpScope, this.#routes(), { ...this.#services, onRejected: this.#auditRejection.bind(this) }),
      {
        prefix: '/v1',
      },
    );
  }

  /** Ends simulations and event streams; a closing listener would wait for the streams. */
  close(): void {
    this.#simulations.close();
    this.#streams.close();
  }

  /** Audits rejected calls to mutating routes, and calls to any route with an invalid key. */
  async #auditRejection({ caller, key, target, headers }: RejectedRoute, error: unknown): Promise<void> {
    const { code, message } = asPlatformError(error);
    const action = auditActionOf(key);
    if (action === null && (caller !== null || headers.authorization === undefined)) return;
    // Fastify rejects a body that does not match the schema with a status code; that is not an internal error.
    const { statusCode = 500 } = error as { readonly statusCode?: number };
    const outcome = code === 'internal' && statusCode < 500 ? 'invalid_request' : code;
    const who = caller === null || key === 'POST /session' ? unknownCaller : caller.keyId;
    const detail = { message: message.slice(0, 1024), ...(caller === null ? claimedKey(headers.authorization) : {}) };
    await this.#services.refusals.record({ who, action: action ?? 'Authenticate', target, outcome, detail });
  }

  #routes(): ApiRoute[] {
    const services = this.#services;
    const overview = new OverviewReader(services);
    return [
      ...overviewRoutes(overview),
      ...liveRoutes(services, this.#streams, overview),
      ...endpointRoutes(services, overview),
      ...trainingRoutes(services, this.#streams),
      ...simulationRoutes(services, this.#simulations),
      ...eventRoutes(services, this.#streams),
      ...logRoutes(services, this.#streams),
      ...nouns.flatMap((routesOf) => routesOf(services)),
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
    access.require(authenticate(request.raw), permissionFor('read metrics'));
    const { contentType, body } = await metrics.prometheus(request.headers.accept);
    return reply.type(contentType).send(body);
  });
}

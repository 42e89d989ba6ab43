/** Routes of endpoints. */
import { z } from 'zod';
import type { Usage } from '../costs/index.ts';
import { type EndpointConfig, type EndpointView, instanceTypeDefault, keepsSignature, type VariantConfig } from '../deployment/index.ts';
import { formatObjective, parseObjective } from '../objective.ts';
import type { WorkerView } from '../providers/index.ts';
import type { Registry } from '../registry/index.ts';
import type { ServedVariant, ServedView } from '../serving/index.ts';
import {
  type EndpointBody,
  endpointBody,
  pageOf,
  type StatisticsBody,
  type UsageBody,
  type VariantBody,
  type WorkerBody,
} from './bodies.ts';
import { standingBodyOf } from './decisions.ts';
import { captureBodyOf, captureInput } from './drift-bodies.ts';
import type { OverviewReader } from './overview-reader.ts';
import { endpointPath, given, pageByOffset, pageQuery, timeOf } from './parameters.ts';
import { notesOnProfiles } from './profile-notes.ts';
import { guardOf, rolloutBodyOf, rolloutInput } from './rollout.ts';
import { type Route, route } from './route.ts';
import { scalingBodyOf, scalingInput, scalingOf } from './scaling.ts';
import { checkMemory, functionsBodyOf, functionsInput, functionsNow, functionsOf } from './serverless.ts';
import type { ApiServices } from './services.ts';

const variantInput = z.strictObject({
  name: z.string().default('AllTraffic'),
  model: z.string().describe('GROUP/VERSION, or GROUP for its latest approved version.'),
  weight: z.number().default(1),
  instance_count: z
    .number()
    .optional()
    .describe('1 unless given, and 0 beside functions unless given: a serverless variant has none. With scaling: how many to begin with.'),
  instance_type: z.string().default(instanceTypeDefault),
  functions: functionsInput
    .nullable()
    .optional()
    .describe(
      'Functions: alone they make the variant serverless, beside instances they take what those cannot finish in time; {} takes every default.',
    ),
  scaling: scalingInput.nullable().optional().describe('The number of instances follows the load; {} takes every default.'),
  start_timeout_ms: z
    .number()
    .optional()
    .describe('Within which a model that is a process must answer its health check; 240000 unless given.'),
});

const changeable = {
  objective: z.string().nullable().optional().describe('Such as p95<=50ms; null for none.'),
  late: z.enum(['serve', 'shed']).optional().describe('What becomes of a request that nobody can finish by the objective.'),
  timeout_ms: z.number().optional(),
  description: z.string().optional(),
  capture: captureInput.nullable().optional().describe('What of its calls is kept; {} takes every default, null keeps nothing.'),
};
const newEndpoint = z.strictObject({ name: z.string(), variants: z.array(variantInput), ...changeable });
const endpointChange = z.strictObject({
  variants: z.array(variantInput).optional(),
  ...changeable,
  allow_signature_change: z
    .boolean()
    .default(false)
    .describe('Unless true, a version is refused that does not take and give what the one before does: its callers would break.'),
  rollout: rolloutInput
    .optional()
    .describe('Watch the update and take it back where an alarm rings or its workers fail; {} watches it for five minutes.'),
});

type Shares = Pick<OverviewReader, 'inTime'>;

export function endpointRoutes(services: ApiServices, overview: Shares): Route[] {
  const { registry, deployments, functionProfiles } = services;
  const bodyOf = (view: EndpointView): Promise<EndpointBody> => endpointBodyOf(view, services, overview);
  return [
    route('GET /endpoints', {
      summary: 'List the endpoints',
      query: pageQuery,
      answer: pageOf(endpointBody),
      handle: ({ query }) => pageByOffset(query, ({ limit, offset }) => deployments.list().slice(offset, offset + limit), bodyOf),
    }),
    route('POST /endpoints', {
      summary: 'Create an endpoint',
      description: 'Answers at once; the endpoint is in service when its `status` says so.',
      body: newEndpoint,
      answer: endpointBody,
      status: 202,
      handle: async ({ body, caller }) => {
        const variants = await variantsOf(registry, body.variants);
        await checkMemory(functionProfiles, variants);
        const config = { objective: null, late: 'serve' as const, timeoutMs: 60_000, ...settingsOf(body), name: body.name, variants };
        return bodyOf(await deployments.create(config, caller.keyId));
      },
    }),
    route('GET /endpoints/:endpoint', {
      summary: 'Describe an endpoint',
      params: endpointPath,
      answer: endpointBody,
      handle: ({ params }) => bodyOf(deployments.get(params.endpoint)),
    }),
    route('PATCH /endpoints/:endpoint', {
      summary: 'Update an endpoint without one failed request',
      description: 'What is not given stays as it is; variants are given whole.',
      params: endpointPath,
      body: endpointChange,
      answer: endpointBody,
      status: 202,
      handle: async ({ params, body, caller }) => {
        const variants = body.variants === undefined ? undefined : await variantsOf(registry, body.variants);
        if (variants !== undefined) await checkMemory(functionProfiles, variants);
        const change = { ...settingsOf(body), ...(variants === undefined ? {} : { variants }) };
        const guard =
          body.rollout === undefined ? null : guardOf(body.rollout, deployments.get(params.endpoint).config.name, services.alarms);
        const keeps = body.allow_signature_change ? undefined : keepsSignature(registry);
        return bodyOf(await deployments.update(params.endpoint, change, caller.keyId, keeps, guard));
      },
    }),
    rollbackRoute(services, overview),
    route('DELETE /endpoints/:endpoint', {
      summary: 'Delete an endpoint',
      description: 'New requests are refused at once, those under way are answered.',
      params: endpointPath,
      handle: async ({ params, caller }) => {
        await deployments.remove(params.endpoint, caller.keyId);
      },
    }),
    ...(['load', 'unload'] as const).map((verb) =>
      route(`POST /endpoints/:endpoint/${verb}`, {
        summary: verb === 'load' ? 'Serve an endpoint again' : 'Stop an endpoint and keep its settings',
        params: endpointPath,
        answer: endpointBody,
        status: 202,
        handle: async ({ params, caller }) => bodyOf(await deployments[verb](params.endpoint, caller.keyId)),
      }),
    ),
  ];
}

function rollbackRoute(services: ApiServices, overview: Shares): Route {
  return route('POST /endpoints/:endpoint/rollback', {
    summary: 'Take back the update under way, or go back to the version before',
    description:
      'The version before is the last other one that was in full service and kept, each time further back; what is left behind counts as taken back. Refused where none is left.',
    params: endpointPath,
    answer: endpointBody,
    status: 202,
    handle: async ({ params, caller }) =>
      endpointBodyOf(await services.deployments.rollBack(params.endpoint, caller.keyId), services, overview),
  });
}

export async function endpointBodyOf(
  view: EndpointView,
  { serving, ledger, batching, tables }: Pick<ApiServices, 'serving' | 'ledger' | 'batching' | 'tables'>,
  overview: Shares,
): Promise<EndpointBody> {
  const inTime = await overview.inTime(view);
  const { config } = view;
  const served = serving.endpoint(config.name);
  return {
    name: config.name,
    status: view.status,
    reason: view.reason ?? shutReasonOf(served) ?? batching.reasonOf(config.name),
    objective: config.objective === null ? null : formatObjective(config.objective),
    in_time: inTime,
    late: config.late,
    timeout_ms: config.timeoutMs,
    description: config.description ?? null,
    generation: view.generation,
    served_generation: view.servedGeneration,
    capture: captureBodyOf(config),
    rollout: rolloutBodyOf(view),
    taken_back: view.versions.takenBack.map(({ model, reason, atMs }) => ({ model, reason, at: timeOf(atMs) })),
    notes: [...view.notes, ...notesOnProfiles(config, served, tables)],
    variants: config.variants.map((variant) => {
      const observed = view.variants.find(({ name }) => name === variant.name);
      const now = served?.variants.find(({ name }) => name === variant.name);
      const decision = standingBodyOf(batching.standing(config.name, variant.name));
      return { ...variantBodyOf(variant, observed, now, ledger.usage(config.name, variant.name)), decision };
    }),
    created_at: timeOf(view.createdAtMs),
    updated_at: timeOf(view.updatedAtMs),
  };
}

/** Why functions do not help the instances of a variant at present. */
function shutReasonOf(served: ServedView | undefined): string | null {
  const shut = served?.variants.find(({ overflow }) => (overflow?.shutReason ?? null) !== null);
  return shut === undefined ? null : `variant ${shut.name}: ${shut.overflow?.shutReason}`;
}

function variantsOf(registry: Registry, inputs: readonly z.output<typeof variantInput>[]): Promise<VariantConfig[]> {
  return Promise.all(inputs.map((input) => variantOf(registry, input)));
}

async function variantOf(registry: Registry, input: z.output<typeof variantInput>): Promise<VariantConfig> {
  const { name, model, weight, instance_count: count, instance_type: instanceType, functions, scaling } = input;
  const { group, version } = await registry.resolve(model);
  const hasFunctions = functions !== undefined && functions !== null;
  const scaled = scaling === undefined || scaling === null ? {} : { scaling: scalingOf(scaling, hasFunctions) };
  const variant = { name, group, version, weight, instanceType, ...scaled, ...given({ startTimeoutMs: input.start_timeout_ms }) };
  const begin = scaled.scaling === undefined ? (hasFunctions ? 0 : 1) : Math.max(1, scaled.scaling.instancesMin);
  if (!hasFunctions) return { ...variant, instanceCount: count ?? begin };
  return { ...variant, instanceCount: count ?? begin, functions: functionsOf(functions) };
}

function settingsOf(
  body: Omit<z.output<typeof endpointChange>, 'variants' | 'rollout' | 'allow_signature_change'>,
): Partial<EndpointConfig> {
  const objective = typeof body.objective === 'string' ? parseObjective(body.objective) : body.objective;
  return given({ objective, late: body.late, timeoutMs: body.timeout_ms, description: body.description, capture: body.capture });
}

function variantBodyOf(
  config: VariantConfig,
  observed: EndpointView['variants'][number] | undefined,
  served: ServedVariant | undefined,
  usage: Usage,
): Omit<VariantBody, 'decision'> {
  return {
    name: config.name,
    model: `${config.group}/${config.version}`,
    weight: config.weight,
    instance_count: config.instanceCount,
    instance_type: config.instanceType,
    wanted: observed?.wanted ?? config.instanceCount,
    scaling: config.scaling === undefined ? null : scalingBodyOf(config.scaling),
    start_timeout_ms: config.startTimeoutMs ?? null,
    functions: config.functions === undefined ? null : functionsBodyOf(config.functions),
    ...functionsNow(served),
    ready: observed?.ready ?? 0,
    rows_waiting: served?.rowsWaiting ?? 0,
    batch_size: served === undefined ? null : batchSizeOf(served),
    batch_size_max: served?.batchSizeMax ?? null,
    statistics: served === undefined ? null : statisticsOf(served.statistics),
    usage: usageOf(usage),
    workers: (observed?.workers ?? []).map(workerBodyOf),
  };
}

/** Of functions alone it is what is in force, whether any runs or not; else that of the instances. */
function batchSizeOf({ functions, overflow, executors: all }: ServedVariant): number | null {
  if (functions !== null && overflow === null) return functions.setting.batchSizeMax;
  const executors = all.filter(({ isFunction }) => !isFunction);
  return executors.length === 0 ? null : Math.max(...executors.map(({ batchSize }) => batchSize));
}

const nsPerMs = 1e6;

function statisticsOf(statistics: ServedVariant['statistics']): StatisticsBody {
  return {
    since: timeOf(statistics.sinceMs),
    requests: statistics.success.count,
    failures: statistics.fail.count,
    refused: statistics.refused,
    overflowed: statistics.overflowed,
    rows: statistics.inferenceCount,
    executions: statistics.executionCount,
    total_ms: statistics.success.ns / nsPerMs,
    queue_ms: statistics.queue.ns / nsPerMs,
    compute_ms: statistics.computeInfer.ns / nsPerMs,
    last_inference_at: statistics.lastInferenceMs === 0 ? null : timeOf(statistics.lastInferenceMs),
  };
}

function usageOf(usage: Usage): UsageBody {
  return {
    instance_seconds: usage.instanceSeconds,
    instance_usd: usage.instanceUsd,
    invocations: usage.invocations,
    cold_starts: usage.coldStarts,
    function_gb_seconds: usage.functionGbSeconds,
    function_usd: usage.functionUsd,
    total_usd: usage.totalUsd,
    requests: usage.requests,
  };
}

function workerBodyOf(worker: WorkerView): WorkerBody {
  const { spec, state, pid, rssBytes, restarts, reason } = worker;
  return { id: spec.id, model: spec.modelName, state, pid, rss_bytes: rssBytes, restarts, reason };
}

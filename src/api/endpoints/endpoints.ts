/** Routes of endpoints. */
import { z } from 'zod';
import type { Usage } from '../../costs/index.ts';
import { defined } from '../../defined.ts';
import {
  changedBy,
  type EndpointChange,
  type EndpointConfig,
  type EndpointView,
  inOrder,
  newVariant,
  requireCompatibleSignature,
  shadowShare,
  sharesWorkers,
  type VariantChange,
  type VariantConfig,
  variantNameDefault,
} from '../../deployment/index.ts';
import type { SelectionRecording } from '../../evaluation/index.ts';
import {
  bodyOfFields,
  captureFields,
  changesOf,
  defaultsOf,
  endpointFields,
  instanceTypeDefault,
  variantFields,
} from '../../fields/index.ts';
import type { ClusterView } from '../../hosts/index.ts';
import { formatObjective, type Objective, parseObjective } from '../../objective.ts';
import type { WorkerView } from '../../providers/index.ts';
import { multiModelOf, multiModelUri, type Registry } from '../../registry/index.ts';
import type { ServedVariant, ServedView } from '../../serving/index.ts';
import {
  type EndpointBody,
  endpointBody,
  pageBody,
  type StatisticsBody,
  type UsageBody,
  type VariantBody,
  type WorkerBody,
} from '../bodies.ts';
import { captureBodyOf, captureInput } from '../data-quality/drift-bodies.ts';
import type { OverviewReader } from '../metrics/overview-reader.ts';
import { decisionStatusBodyOf } from '../records/decisions.ts';
import { inputShape } from '../routing/field-schemas.ts';
import { endpointPath, isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { availabilityNotes } from '../server/availability-note.ts';
import {
  type SelectionInput,
  selectedPlans,
  selectionBodyOf,
  selectionInput,
  selectionRoute,
  selectionVariant,
  unloadedReasonOf,
} from './endpoint-selection.ts';
import { busyMachineNote } from './machine-notes.ts';
import { profileWarnings } from './profile-warnings.ts';
import { apiGuardOf, rolloutBodyOf, rolloutInput } from './rollout.ts';
import { scalingBodyOf, scalingConfigOf, scalingInput } from './scaling.ts';
import { checkMemory, functionsBodyOf, functionsInput, functionsNow, functionsOf } from './serverless.ts';

/** What these routes need of the server. */
type Services = Pick<
  ApiServices,
  | 'alarms'
  | 'availability'
  | 'batching'
  | 'deployments'
  | 'functionProfiles'
  | 'ladders'
  | 'ledger'
  | 'machine'
  | 'registry'
  | 'selectionRecorder'
  | 'selectionReview'
  | 'selectionWatch'
  | 'challengers'
  | 'cluster'
  | 'serving'
  | 'tables'
  | 'targets'
>;

const variantInput = z.strictObject({
  name: z.string().default(variantNameDefault),
  model: z.string().optional().describe('GROUP/VERSION, or GROUP for the latest approved version. Omit it for a selection.'),
  ...inputShape(variantFields),
  shadow: z
    .boolean()
    .optional()
    .meta({ default: false })
    .describe('Receives copies of requests instead of answering them: of weight / weight of the production variant, at most all.'),
  functions: functionsInput
    .nullable()
    .optional()
    .describe(
      'Without instances the variant is serverless; with instances, functions take the requests that those cannot finish in time. {}: all defaults.',
    ),
  scaling: scalingInput
    .nullable()
    .optional()
    .describe('Scales the number of instances with the load. {}: all defaults; null: a fixed number.'),
});
const variantChangeInput = variantInput.extend({
  model: variantInput.shape.model.describe('As for a new variant; omit it to keep the version.'),
});

const changeable = {
  objective: z.string().nullable().optional().describe('For example p95<=50ms; null: none.'),
  ...inputShape(endpointFields),
  capture: captureInput.nullable().optional().describe('Which calls are captured. {}: all defaults; null: none.'),
  selection: selectionInput.optional().describe('Plans of several models, chosen by an evaluation, in place of one version.'),
};
const newEndpoint = z.strictObject({ name: z.string(), variants: z.array(variantInput), ...changeable });
const endpointChange = z.strictObject({
  variants: z
    .array(variantChangeInput)
    .optional()
    .describe('The complete list of variants, matched by name. Omitted members keep their value; null removes them.'),
  ...changeable,
  allow_signature_change: z
    .boolean()
    .default(false)
    .describe(
      'Unless true, a version whose inputs or outputs are incompatible with the current version is rejected, because it would break callers.',
    ),
  rollout: rolloutInput
    .optional()
    .describe('Monitor the update and roll it back if an alarm fires or its workers fail. {}: monitor for five minutes.'),
});

type Shares = Pick<OverviewReader, 'inTime'>;

export function endpointRoutes(services: Services, overview: Shares): ApiRoute[] {
  const { deployments } = services;
  const bodyOf = (view: EndpointView): Promise<EndpointBody> => endpointBodyOf(view, services, overview);
  return [
    apiRoute('GET /endpoints', {
      summary: 'List the endpoints',
      query: pageQuery,
      answer: pageBody(endpointBody),
      handle: ({ query }) => pageByOffset(query, ({ limit, offset }) => deployments.list().slice(offset, offset + limit), bodyOf),
    }),
    createRoute(services, bodyOf),
    apiRoute('GET /endpoints/:endpoint', {
      summary: 'Describe an endpoint',
      params: endpointPath,
      answer: endpointBody,
      handle: ({ params }) => bodyOf(deployments.get(params.endpoint)),
    }),
    updateRoute(services, bodyOf),
    rollbackRoute(services, overview),
    continueRoute(services, overview),
    selectionRoute(services, (endpoint) => bodyOf(deployments.get(endpoint))),
    apiRoute('DELETE /endpoints/:endpoint', {
      summary: 'Delete an endpoint',
      description: 'New requests are rejected at once; requests in progress are answered.',
      params: endpointPath,
      handle: async ({ params, caller }) => {
        await deployments.remove(params.endpoint, caller.keyId);
      },
    }),
    ...(['load', 'unload'] as const).map((verb) =>
      apiRoute(`POST /endpoints/:endpoint/${verb}`, {
        summary: verb === 'load' ? 'Load an unloaded endpoint' : 'Unload an endpoint and retain its settings',
        params: endpointPath,
        answer: endpointBody,
        status: 202,
        handle: async ({ params, caller }) => bodyOf(await deployments[verb](params.endpoint, caller.keyId)),
      }),
    ),
  ];
}

function createRoute(services: Services, bodyOf: (view: EndpointView) => Promise<EndpointBody>): ApiRoute {
  const { registry, deployments, functionProfiles } = services;
  return apiRoute('POST /endpoints', {
    summary: 'Create an endpoint',
    description: 'Returns at once; the endpoint is in service when its `status` is InService.',
    body: newEndpoint,
    answer: endpointBody,
    status: 202,
    handle: async ({ body, caller }) => {
      const { selection, variants: inputs } = body;
      const objective = settingsOf(body).objective ?? null;
      const chosen =
        selection === undefined ? null : await selected(services, selection, inputs, { endpoint: body.name, objective, before: undefined });
      const variants = (await variantChangesOf(registry, chosen === null ? inputs : [chosen.variant])).map(newVariant);
      await checkMemory(functionProfiles, variants);
      const config = { ...defaultsOf(endpointFields), name: body.name, objective: null, variants };
      const view = await deployments.create(changedBy(settingsOf(body), config), caller.keyId, chosen?.recording.hook);
      chosen?.recording.publish();
      return bodyOf(view);
    },
  });
}

function updateRoute(services: Services, bodyOf: (view: EndpointView) => Promise<EndpointBody>): ApiRoute {
  const { registry, deployments, functionProfiles } = services;
  return apiRoute('PATCH /endpoints/:endpoint', {
    summary: 'Update an endpoint without downtime',
    description:
      'Omitted members keep their value, also those of a listed variant and of the capture. A variant that is not listed is removed.',
    params: endpointPath,
    body: endpointChange,
    answer: endpointBody,
    status: 202,
    handle: async ({ params, body, caller }) => {
      const { config } = deployments.get(params.endpoint);
      const { selection } = body;
      const { objective = config.objective } = settingsOf(body);
      const provided = body.variants ?? [{ name: variantNameOf(config) }];
      const at = { endpoint: config.name, objective, before: config.variants[0] };
      const chosen = selection && (await selected(services, selection, provided, at));
      const inputs = chosen === undefined ? body.variants : [chosen.variant];
      const merged = inputs === undefined ? {} : { variantChanges: await variantChangesOf(registry, inputs) };
      const change = { ...settingsOf(body), ...merged };
      if (inputs !== undefined) await checkMemory(functionProfiles, changedBy(merged, config).variants);
      const guard = body.rollout === undefined ? null : apiGuardOf(body.rollout, config.name, services.alarms);
      const checkSignature = body.allow_signature_change ? undefined : requireCompatibleSignature(registry);
      const hook = inOrder(checkSignature, chosen?.recording.hook);
      const view = await deployments.update(params.endpoint, change, caller.keyId, hook, guard);
      chosen?.recording.publish();
      return bodyOf(view);
    },
  });
}

function rollbackRoute(services: Services, overview: Shares): ApiRoute {
  return apiRoute('POST /endpoints/:endpoint/rollback', {
    summary: 'Roll back the update in progress, or return to the previous version',
    description:
      'The previous version is the last other version that was in full service and was not rolled back; each further call goes one version back. The replaced version counts as rolled back. Rejected if there is no previous version.',
    params: endpointPath,
    answer: endpointBody,
    status: 202,
    handle: async ({ params, caller }) =>
      endpointBodyOf(await services.deployments.rollBack(params.endpoint, caller.keyId), services, overview),
  });
}

function continueRoute(services: Services, overview: Shares): ApiRoute {
  return apiRoute('POST /endpoints/:endpoint/continue', {
    summary: 'Continue a paused update',
    description: 'The step counts as completed, although it has too few answers to be judged by. Rejected if no update is paused.',
    params: endpointPath,
    answer: endpointBody,
    status: 202,
    handle: async ({ params, caller }) =>
      endpointBodyOf(await services.deployments.continueUpdate(params.endpoint, caller.keyId), services, overview),
  });
}

/** Joins the desired state, the observed state and what serving measures. The reason is the first that applies, the most severe first. */
export async function endpointBodyOf(
  view: EndpointView,
  {
    serving,
    ledger,
    batching,
    tables,
    machine,
    targets,
    challengers,
    selectionWatch,
    cluster,
    availability,
  }: Pick<
    ApiServices,
    'serving' | 'ledger' | 'batching' | 'tables' | 'machine' | 'targets' | 'challengers' | 'selectionWatch' | 'cluster' | 'availability'
  >,
  overview: Shares,
): Promise<EndpointBody> {
  const inTime = await overview.inTime(view);
  const { config } = view;
  const served = serving.endpoint(config.name);
  return {
    name: config.name,
    status: view.status,
    reason: view.reason ?? unloadedReasonOf(served) ?? shutReasonOf(served) ?? batching.reasonOf(config.name),
    objective: config.objective === null ? null : formatObjective(config.objective),
    in_time: inTime,
    ...bodyOfFields(endpointFields, config, null),
    generation: view.generation,
    served_generation: view.servedGeneration,
    capture: captureBodyOf(config),
    rollout: rolloutBodyOf(view),
    rolled_back: view.versions.rolledBack.map(({ model, reason, atMs }) => ({ model, reason, at: isoTime(atMs) })),
    notes: [
      ...availabilityNotes(availability),
      ...view.notes,
      ...[busyMachineNote(config.objective, inTime, machine.lastHour())].filter((note) => note !== null),
      ...profileWarnings(config, served, tables),
    ],
    variants: config.variants.map((variant) => {
      const observed = view.variants.find(({ name }) => name === variant.name);
      const now = served?.variants.find(({ name }) => name === variant.name);
      const decision = decisionStatusBodyOf(batching.decisionStatus(config.name, variant.name));
      return {
        ...variantBodyOf(
          variant,
          config.variants,
          { observed, served: now, multiModel: multiModelBodyOf(config.name, now, targets), cluster },
          ledger.usage(config.name, variant.name),
        ),
        decision,
      };
    }),
    selection: selectionBodyOf(config, served, { challengers, selectionWatch }),
    created_at: isoTime(view.createdAtMs),
    updated_at: isoTime(view.updatedAtMs),
  };
}

/** Why functions currently take no overflow from the instances of a variant. */
function shutReasonOf(served: ServedView | undefined): string | null {
  const shut = served?.variants.find(({ overflow }) => (overflow?.shutReason ?? null) !== null);
  return shut === undefined ? null : `variant ${shut.name}: ${shut.overflow?.shutReason}`;
}

type VariantInput = z.output<typeof variantChangeInput> & Pick<VariantChange, 'ladder'>;

interface SelectedVariant {
  readonly variant: VariantInput;
  readonly recording: SelectionRecording;
}

/** The variant of a selection, with the plans that were chosen for it, and the decision to be stored with it. */
async function selected(
  services: Services,
  input: SelectionInput,
  variants: readonly z.output<typeof variantChangeInput>[],
  { before, ...at }: { readonly endpoint: string; readonly objective: Objective | null; readonly before: VariantConfig | undefined },
): Promise<SelectedVariant> {
  const variant = selectionVariant(variants);
  const instanceType = variant.instance_type ?? before?.instanceType ?? instanceTypeDefault;
  const planned = await selectedPlans(services, input, { ...at, instanceType });
  const { contract, ladder } = planned;
  const recording = services.selectionRecorder.recording(planned, 'deploy');
  return { variant: { ...variant, model: contract.name, ladder }, recording };
}

function variantNameOf({ variants }: EndpointConfig): string {
  return variants[0]?.name ?? variantNameDefault;
}

function variantChangesOf(registry: Registry, inputs: readonly VariantInput[]): Promise<VariantChange[]> {
  return Promise.all(inputs.map((input) => variantChangeOf(registry, input)));
}

/** Members that were not sent stay absent, so that the merge keeps the current values; null removes. */
async function variantChangeOf(registry: Registry, input: VariantInput): Promise<VariantChange> {
  const { name, model, functions, scaling, ladder } = input;
  const version = model === undefined ? undefined : await registry.resolve(model);
  return {
    name,
    ...changesOf(variantFields, input),
    ...defined({
      model: version === undefined ? undefined : { group: version.group, version: version.version },
      isShadow: input.shadow,
      ladder,
      functions: functions === undefined || functions === null ? functions : functionsOf(functions),
      scaling: scaling === undefined || scaling === null ? scaling : scalingConfigOf(scaling),
    }),
  };
}

/** The settings of the endpoint itself. As above, absent members stay absent. */
function settingsOf(
  body: Omit<z.output<typeof endpointChange>, 'variants' | 'rollout' | 'allow_signature_change' | 'selection'>,
): Omit<EndpointChange, 'variants'> {
  const objective = typeof body.objective === 'string' ? parseObjective(body.objective) : body.objective;
  const capture = body.capture === null ? { capture: null } : { captureChange: body.capture && changesOf(captureFields, body.capture) };
  return defined({ objective, ...changesOf(endpointFields, body), ...capture });
}

interface ObservedVariant {
  readonly observed: EndpointView['variants'][number] | undefined;
  readonly served: ServedVariant | undefined;
  readonly multiModel: VariantBody['multi_model'];
  readonly cluster: Pick<ClusterView, 'placeOf'> | null;
}

/** Null unless the model of the variant is a folder of models. */
function multiModelBodyOf(
  endpoint: string,
  served: ServedVariant | undefined,
  targets: ApiServices['targets'],
): VariantBody['multi_model'] {
  const folder = served === undefined ? null : multiModelOf(served.version);
  if (served === undefined || folder === null) return null;
  const { models, memoryMiB, memoryMiBMax } = targets.view(endpoint, served.name);
  return { url: multiModelUri(folder), models_loaded: models, memory_mib: memoryMiB, memory_mib_max: memoryMiBMax };
}

function variantBodyOf(
  config: VariantConfig,
  variants: readonly VariantConfig[],
  { observed, served, multiModel, cluster }: ObservedVariant,
  usage: Usage,
): Omit<VariantBody, 'decision'> {
  return {
    name: config.name,
    model: `${config.group}/${config.version}`,
    ...bodyOfFields(variantFields, config, null),
    multi_model: multiModel,
    shadow: shadowBodyOf(config, variants, served),
    wanted: observed?.wanted ?? config.instanceCount,
    scaling: config.scaling === undefined ? null : scalingBodyOf(config.scaling),
    functions: config.functions === undefined ? null : functionsBodyOf(config.functions),
    ...functionsNow(served),
    ready: observed?.ready ?? 0,
    rows_waiting: served?.rowsWaiting ?? 0,
    batch_size: served === undefined ? null : batchSizeOf(served, 'batchSize'),
    batch_size_late: served === undefined ? null : batchSizeOf(served, 'batchSizeLate'),
    batch_size_max: served?.batchSizeMax ?? null,
    statistics: served === undefined ? null : statisticsOf(served.statistics),
    usage: usageOf(usage),
    workers: (observed?.workers ?? []).map((worker) => workerBodyOf(worker, cluster?.placeOf(worker) ?? null)),
  };
}

function shadowBodyOf(config: VariantConfig, variants: readonly VariantConfig[], served: ServedVariant | undefined): VariantBody['shadow'] {
  if (config.isShadow !== true) return null;
  const { copiesDropped = 0 } = served?.statistics ?? {};
  return { share: shadowShare(config, variants), copies_dropped: copiesDropped, shares_workers: sharesWorkers(config, variants) };
}

/** For a serverless variant, the setting in force even if no function runs; otherwise the batch size of the instances. */
function batchSizeOf({ functions, overflow, executors: all }: ServedVariant, size: 'batchSize' | 'batchSizeLate'): number | null {
  if (functions !== null && overflow === null) return functions.setting.batchSizeMax;
  const executors = all.filter(({ isFunction }) => !isFunction);
  return executors.length === 0 ? null : Math.max(...executors.map((executor) => executor[size]));
}

const nsPerMs = 1e6;

function statisticsOf(statistics: ServedVariant['statistics']): StatisticsBody {
  return {
    since: isoTime(statistics.sinceMs),
    requests: statistics.success.count,
    failures: statistics.fail.count,
    refused: statistics.refused,
    overflowed: statistics.overflowed,
    rows: statistics.inferenceCount,
    executions: statistics.executionCount,
    total_ms: statistics.success.ns / nsPerMs,
    queue_ms: statistics.queue.ns / nsPerMs,
    compute_ms: statistics.computeInfer.ns / nsPerMs,
    last_inference_at: statistics.lastInferenceMs === 0 ? null : isoTime(statistics.lastInferenceMs),
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

function workerBodyOf({ spec, state, pid, rssBytes, restarts, reason }: WorkerView, place: WorkerView['host'] | null): WorkerBody {
  const { name: host = null, zone = null } = place ?? {};
  return { id: spec.id, model: spec.displayName ?? spec.modelName, state, host, zone, pid, rss_bytes: rssBytes, restarts, reason };
}

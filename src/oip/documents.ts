/** The protocol's documents about models: metadata, configuration, statistics, repository index. */

import { productionVariants } from '../deployment/index.ts';
import { formatObjective } from '../objective.ts';
import type { ModelVersion } from '../registry/index.ts';
import { type Duration, requestRowsMax, type ServedVariant, type ServedView } from '../serving/index.ts';
import { datatypes, type TensorSpec } from '../tensor.ts';
import type { DeployedEndpoint } from './deps.ts';
import { deployedAs, findModel, type ModelLookup, type ModelReference, type ServedModel } from './models.ts';

const backends = { onnx: 'onnxruntime', process: 'process', python: 'python' } as const;

function platformOf({ runtime }: ModelVersion): string {
  if (runtime.kind === 'python') return `python_${runtime.flavour}`;
  return runtime.kind === 'onnx' ? 'onnxruntime_onnx' : 'process';
}

/** Only supported extensions. */
const extensions = [
  'binary_tensor_data',
  'parameters',
  'statistics',
  'model_configuration',
  'model_repository',
  'schedule_policy',
  'classification',
];

/** Also names the extensions that this server supports. */
export function serverMetadata(version: string): object {
  return { name: 'penstock', version, extensions };
}

/** The signature in the form of the protocol. */
export function modelMetadata({ view, variants: [{ version }] }: ServedModel): object {
  const { inputs, outputs } = version.signature;
  return {
    name: view.name,
    versions: versionsOf(view.variants),
    platform: platformOf(version),
    inputs: inputs.map(tensor),
    outputs: outputs.map(tensor),
  };
}

function tensor({ name, datatype, shape }: TensorSpec): unknown {
  return { name, datatype, shape };
}

function versionsOf(variants: readonly ServedVariant[]): string[] {
  return [...new Set(variants.map(({ version }) => version.version))].sort((a, b) => a - b).map(String);
}

/** Instances never delay a batch while idle. Functions wait as long as configured, or as the objective allows. */
function queueDelayMs(functions: ServedVariant['functions'], objective: ServedView['objective']): number {
  if (functions === null || functions.setting.batchSizeMax === 1) return 0;
  return functions.setting.waitMsMax ?? objective?.latencyMs ?? 0;
}

/** perf_analyzer and Triton clients read this before they send requests. */
export function modelConfig({ view, variants }: ServedModel): object {
  const [{ version, batchSizeMax, executors, functions }] = variants;
  const dims = (spec: TensorSpec): unknown => ({
    name: spec.name,
    data_type: datatypes[spec.datatype].config,
    dims: batchSizeMax > 0 ? spec.shape.slice(1) : spec.shape,
  });
  const instances = executors.filter(({ isFunction }) => !isFunction);
  const sizes = [...instances.map(({ batchSize }) => batchSize), ...(functions === null ? [] : [functions.setting.batchSizeMax])];
  const instanceCount = instances.length + (functions?.config.maxConcurrency ?? 0);
  const preferred = [...new Set(sizes)].sort((a, b) => a - b);
  return {
    name: view.name,
    platform: platformOf(version),
    backend: backends[version.runtime.kind],
    version_policy: { specific: { versions: versionsOf(variants).map(Number) } },
    max_batch_size: requestRowsMax(batchSizeMax),
    input: version.signature.inputs.map(dims),
    output: version.signature.outputs.map(dims),
    instance_group: [{ name: `${view.name}_0`, kind: 'KIND_CPU', count: instanceCount }],
    ...(batchSizeMax > 0
      ? {
          dynamic_batching: {
            preferred_batch_size: preferred,
            max_queue_delay_microseconds: Math.round(queueDelayMs(functions, view.objective) * 1000),
          },
        }
      : {}),
    model_transaction_policy: { decoupled: false },
    response_cache: { enable: false },
    parameters: {
      batchable: { string_value: version.batchableReason },
      ...(view.objective === null ? {} : { objective: { string_value: formatObjective(view.objective) } }),
    },
  };
}

/** One entry per variant; `deployed` provides the memory of its workers. */
function modelStatistics({ view, variants }: ServedModel, deployed: DeployedEndpoint | undefined): unknown[] {
  return variants.map(({ name, version, statistics }) => {
    const none = { count: 0, ns: 0 };
    const workers = deployed?.variants.find((variant) => variant.name === name)?.workers ?? [];
    return {
      name: view.name,
      version: String(version.version),
      last_inference: Math.round(statistics.lastInferenceMs),
      inference_count: statistics.inferenceCount,
      execution_count: statistics.executionCount,
      inference_stats: {
        success: duration(statistics.success),
        fail: duration(statistics.fail),
        queue: duration(statistics.queue),
        compute_input: duration(statistics.computeInput),
        compute_infer: duration(statistics.computeInfer),
        compute_output: duration(statistics.computeOutput),
        cache_hit: none,
        cache_miss: none,
      },
      response_stats: {},
      batch_stats: statistics.batches.map(({ batchSize, computeInput, computeInfer, computeOutput }) => ({
        batch_size: batchSize,
        compute_input: duration(computeInput),
        compute_infer: duration(computeInfer),
        compute_output: duration(computeOutput),
      })),
      memory_usage: [{ type: 'CPU', id: 0, byte_size: workers.reduce((sum, { rssBytes }) => sum + (rssBytes ?? 0), 0) }],
    };
  });
}

/** Throws `not_found` or `unavailable`, like `findModel`. */
export function modelStatisticsOf(known: ModelLookup, reference: ModelReference): unknown[] {
  const model = findModel(known, reference);
  return modelStatistics(model, deployedAs(known, model.view.name));
}

/** Of all endpoints that are served now. */
export function allStatistics(known: ModelLookup): unknown[] {
  return known.serving.endpoints().flatMap(({ name }) => modelStatisticsOf(known, { model: name, version: undefined }));
}

function duration({ count, ns }: Duration): Duration {
  return { count, ns };
}

const indexStates = {
  Creating: 'LOADING',
  InService: 'READY',
  Updating: 'READY',
  RollingBack: 'READY',
  Deleting: 'UNLOADING',
  Failed: 'UNAVAILABLE',
  Unloaded: 'UNAVAILABLE',
} as const satisfies Record<DeployedEndpoint['status'], string>;

/** One row per version of each endpoint. */
export function repositoryIndex(deployed: readonly DeployedEndpoint[], readyOnly: boolean): unknown[] {
  const rows = deployed.flatMap(({ config, status, reason }) => {
    const state = indexStates[status];
    const why = state === 'READY' ? '' : (reason ?? (status === 'Unloaded' ? 'unloaded' : ''));
    const versions = new Set(productionVariants(config.variants).map(({ version }) => String(version)));
    return Array.from(versions, (version) => ({ name: config.name, version, state, reason: why }));
  });
  return readyOnly ? rows.filter(({ state }) => state === 'READY') : rows;
}

/** Endpoints are the models of the protocol. */
export function modelNames(views: readonly ServedView[]): string[] {
  return views.map(({ name }) => name);
}

/** An endpoint as it is shown: what is wanted of it, and how it is. */
import { coresLeft, instanceType, isAccelerated, type PriceTable, threadsOf } from '../costs/index.ts';
import { formatMs, formatObjective } from '../objective.ts';
import type { Provider, WorkerView } from '../providers/index.ts';
import { keyOf, type ModelVersion } from '../registry/index.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { InstanceView } from './instance-view.ts';
import type { EndpointReconciler } from './reconcile.ts';
import { isUnderWay, type Rollout } from './rollout.ts';
import type { EndpointStatus } from './status.ts';
import type { CountedVersion } from './version-counts.ts';
import type { VersionHistory } from './version-history.ts';

export interface VariantView {
  readonly name: string;
  /** Workers that are ready, whatever version they run unless an update is watched; where there are instances, those alone. */
  readonly ready: number;
  readonly workers: readonly WorkerView[];
  /** How many instances there are to be now: what the config says, or what its scaling decided. */
  readonly wanted: number;
  readonly instances: readonly InstanceView[];
  /** Why instances cannot be started at present. */
  readonly startTrouble: string | null;
}

export interface EndpointView {
  readonly config: EndpointConfig;
  readonly status: EndpointStatus;
  /** Why it is not, or not quite, as wanted. */
  readonly reason: string | null;
  /** Counts the changes of the config, from 1. */
  readonly generation: number;
  /** The generation that requests are routed by; an older one during an update, null while nothing serves. */
  readonly servedGeneration: number | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Epoch milliseconds: answers are judged by its objective since then; infinite for as long as it is not served with that. */
  readonly objectiveSinceMs: number;
  readonly variants: readonly VariantView[];
  /** How an update comes about that is watched, or why the last one was taken back. */
  readonly rollout: Rollout | null;
  /** What it may go back to, and what it took back. */
  readonly versions: VersionHistory;
  /** While one is under way: what each version did since it began to be watched, the new ones first. */
  readonly rolloutVersions: readonly CountedVersion[];
  /** What the user should know, though nothing is wrong. */
  readonly notes: readonly string[];
}

interface Machine {
  readonly prices: PriceTable;
  readonly cores: number;
  readonly provider: Pick<Provider, 'limits'>;
}

export function viewOf(
  reconciler: EndpointReconciler,
  machine: Machine,
  { rolloutVersions, objectiveSinceMs }: Pick<EndpointView, 'rolloutVersions' | 'objectiveSinceMs'>,
): EndpointView {
  const { config, generation, createdAtMs, updatedAtMs, rollout, history } = reconciler.endpoint;
  const { workers } = reconciler;
  // Until it has been watched to its end, what was before is what is gone back to.
  const servedGeneration =
    isUnderWay(rollout) && reconciler.servedGeneration === generation ? rollout.beforeGeneration : reconciler.servedGeneration;
  const variants = config.variants.map((variant) => {
    const { name, instanceCount } = variant;
    const own = workers.filter(({ spec }) => keyOf(spec.variant) === keyOf(name));
    const ofKind = instanceCount === 0 ? own : own.filter(({ spec }) => spec.kind === 'instance');
    // While an update is watched both fleets are whole: those of before are no part of what is wanted.
    const model = `${variant.group}/${variant.version}`;
    const counted = isUnderWay(rollout) ? ofKind.filter(({ spec }) => spec.modelName === model) : ofKind;
    const instances = reconciler.instancesOf(name);
    const failed = instances.find(({ state }) => state === 'failed');
    return {
      name,
      ready: counted.filter(({ state }) => state === 'ready').length,
      workers: own,
      wanted: reconciler.wantedInstances(variant),
      instances,
      startTrouble: failed === undefined ? reconciler.startTrouble : (failed.reason ?? 'its process ended'),
    };
  });
  const notes = [...notesOn(config, machine), ...notesOnRedaction(config, reconciler.endpoint.versions)];
  return {
    config,
    ...reconciler.status,
    generation,
    servedGeneration,
    createdAtMs,
    updatedAtMs,
    objectiveSinceMs,
    variants,
    rollout,
    versions: history,
    rolloutVersions,
    notes,
  };
}

function notesOn(config: EndpointConfig, machine: Machine): string[] {
  return [
    ...notesOnTypes(config),
    ...notesOnBudgets(config, machine),
    ...notesOnInstances(config, machine),
    ...notesOnOverflow(config, machine),
    ...notesOnFunctions(config, machine),
  ];
}

/** Columns of a CSV and members of a document may bear any name; one that a model does not know is more often a slip. */
function notesOnRedaction({ capture }: EndpointConfig, versions: readonly ModelVersion[]): string[] {
  const known = new Set(versions.flatMap(({ signature }) => [...signature.inputs, ...signature.outputs].map(({ name }) => name)));
  const unknown = (capture?.redact ?? []).filter((name) => !known.has(name.replace(/\[\d+\]$/, '')) && !/^\[\d+\]$/.test(name));
  if (unknown.length === 0 || known.size === 0) return [];
  const names = unknown.map((name) => `'${name}'`).join(', ');
  return [
    `capture: of the names to redact the model has no input or output ${names}: only a CSV column or a JSON member of that name is left out`,
  ];
}

function notesOnTypes({ variants }: EndpointConfig): string[] {
  return variants.flatMap(({ name, instanceCount, instanceType: type, instanceTypeAsked: asked }) => {
    if (instanceCount === 0) return [];
    const stands = asked === undefined ? [] : [`${asked} is not configured: ${type}, the nearest there is, stands for it`];
    const plain = isAccelerated(asked ?? type) ? [`${asked ?? type} has an accelerator at AWS, here it runs on processors`] : [];
    return [...stands, ...plain].map((note) => `variant ${name}: ${note}`);
  });
}

function notesOnBudgets({ variants }: EndpointConfig, { prices }: Machine): string[] {
  return variants.flatMap(({ name, scaling, instanceType: type }) => {
    const budget = scaling?.usdPerHourMax ?? null;
    if (scaling === undefined || budget === null) return [];
    const leastUsd = Number((scaling.instancesMin * instanceType(prices, type).usdPerHour).toPrecision(6));
    if (leastUsd <= budget) return [];
    return [
      `variant ${name}: its minimum of ${scaling.instancesMin} × ${type} alone costs $${leastUsd} an hour, more than its budget of $${budget}: the minimum is kept all the same`,
    ];
  });
}

function notesOnInstances({ variants }: EndpointConfig, { prices, cores }: Machine): string[] {
  let threads = 0;
  let instances = 0;
  for (const { instanceType: type, instanceCount } of variants) {
    threads += threadsOf(instanceType(prices, type), cores) * instanceCount;
    instances += instanceCount;
  }
  if (threads <= cores) return [];
  return [`${instances} instances with ${threads} threads on ${cores} cores: they take turns, so each is slower than it could be`];
}

/** What functions beside instances are for is more processors: on one machine there are no more than it has. */
function notesOnOverflow({ variants }: EndpointConfig, { prices, cores }: Machine): string[] {
  return variants.flatMap(({ name, functions, instanceCount, instanceType: type }) => {
    if (functions === undefined || instanceCount === 0) return [];
    const free = coresLeft(prices, new Array<string>(instanceCount).fill(type), cores);
    if (functions.maxConcurrency <= free) return [];
    const [most, left] = [`up to ${functions.maxConcurrency} functions`, `its ${instanceCount} × ${type} leave ${free} of ${cores} cores`];
    return [
      `variant ${name}: ${most} run on this machine, where ${left}: beyond that they take turns with the instances, and all are later than predicted; a max concurrency of ${Math.max(1, free)} is what fits`,
    ];
  });
}

function notesOnFunctions({ variants, objective, timeoutMs }: EndpointConfig, { provider }: Machine): string[] {
  const notes: string[] = [];
  for (const { name, functions, instanceCount } of variants) {
    if (functions !== undefined && instanceCount > 0 && objective === null) {
      notes.push(
        `variant ${name}: without an objective its functions take only what would miss its timeout: give it one, such as p95<=50ms`,
      );
    }
    if (functions?.batching.kind !== 'fixed' || objective === null || functions.batching.waitMsMax < objective.latencyMs) continue;
    const wait = formatMs(functions.batching.waitMsMax);
    notes.push(`variant ${name}: its batches wait up to ${wait}, so the objective of ${formatMs(objective.latencyMs)} cannot be kept`);
  }
  const hasFunctions = variants.some(({ functions }) => functions !== undefined);
  if (hasFunctions && objective !== null && objective.latencyMs > timeoutMs) {
    const [timeout, objectiveText] = [formatMs(timeoutMs), formatObjective(objective)];
    notes.push(`requests are given up after the timeout of ${timeout}, so batches are formed for that and not for ${objectiveText}`);
  }
  if (hasFunctions && !provider.limits.cpu) {
    notes.push(`functions are not held to their share of the processors, so all memory sizes are equally fast: ${provider.limits.reason}`);
  }
  return notes;
}

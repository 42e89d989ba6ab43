/** The view of an endpoint: desired and actual state. */
import { instanceType, isAccelerated, type PriceTable, remainingCores, threadsOf } from '../costs/index.ts';
import { nameKey } from '../names.ts';
import { formatMs, formatObjective } from '../objective.ts';
import type { Provider, WorkerView } from '../providers/index.ts';
import { type ModelVersion } from '../registry/index.ts';
import type { EndpointConfig } from './config/endpoint-config.ts';
import { shadowKey } from './config/ladder-config.ts';
import { sharesWorkers } from './config/shared-workers.ts';
import type { InstanceView } from './reconcile/instance-view.ts';
import type { EndpointReconciler } from './reconcile/reconcile.ts';
import type { EndpointStatus } from './reconcile/status.ts';
import { isUnderWay, type Rollout } from './rollouts/rollout.ts';
import type { StepEvidence } from './rollouts/rollout-evidence.ts';
import type { CountedVersion } from './rollouts/version-counts.ts';
import type { VersionHistory } from './rollouts/version-history.ts';

/** A variant as APIs, console and command line show it. */
export interface VariantView {
  readonly name: string;
  /** Ready workers of any version; during a monitored update, only of the new one. If the variant has instances, only these count. */
  readonly ready: number;
  readonly workers: readonly WorkerView[];
  /** True for a shadow that runs on the workers of the production variant; `workers` are empty then. */
  readonly sharesWorkers: boolean;
  /** Desired number of instances, from the config or from scaling. */
  readonly wanted: number;
  readonly instances: readonly InstanceView[];
  /** Why instances currently cannot be started; null if they can. */
  readonly startTrouble: string | null;
}

/** An endpoint as APIs, console and command line show it. A snapshot: it does not follow later changes. */
export interface EndpointView {
  readonly config: EndpointConfig;
  readonly status: EndpointStatus;
  /** Why the actual state differs from the desired state. */
  readonly reason: string | null;
  /** Number of config changes, from 1. */
  readonly generation: number;
  /** The generation that requests are routed by; an older one during an update, null while nothing serves. */
  readonly servedGeneration: number | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** When the current status was first reported; null if an older server did so. */
  readonly statusSinceMs: number | null;
  /** Time since which the current objective applies to responses (epoch ms); infinite until the endpoint is served with it. */
  readonly objectiveSinceMs: number;
  readonly variants: readonly VariantView[];
  /** The monitored update in progress, or the last one if it was rolled back. */
  readonly rollout: Rollout | null;
  /** Versions that a rollback can restore, and versions that were rolled back. */
  readonly versions: VersionHistory;
  /** During an update: counts of each version since monitoring began, new versions first. */
  readonly rolloutVersions: readonly CountedVersion[];
  /** What the new versions of the update in progress have received in its current step. */
  readonly rolloutEvidence: StepEvidence;
  /** Notes for the user that are not errors. */
  readonly notes: readonly string[];
}

interface Machine {
  readonly prices: PriceTable;
  readonly cores: number;
  readonly provider: Pick<Provider, 'limits'>;
}

/** Combines desired state, observed workers and prices. Reads memory only, so lists of endpoints cost no queries. */
export function endpointViewOf(
  reconciler: EndpointReconciler,
  machine: Machine,
  {
    rolloutVersions,
    rolloutEvidence,
    objectiveSinceMs,
    statusSinceMs,
  }: Pick<EndpointView, 'rolloutVersions' | 'rolloutEvidence' | 'objectiveSinceMs' | 'statusSinceMs'>,
): EndpointView {
  const { config, generation, createdAtMs, updatedAtMs, rollout, history } = reconciler.endpoint;
  const { workers } = reconciler;
  // Until a monitored update is complete, the previous generation counts as served.
  const servedGeneration =
    isUnderWay(rollout) && reconciler.servedGeneration === generation ? rollout.beforeGeneration : reconciler.servedGeneration;
  const variants = config.variants.map((variant) => {
    const { name, instanceCount } = variant;
    const isShared = variant.isShadow === true && sharesWorkers(variant, config.variants);
    const key = shadowKey(`${variant.group}/${variant.version}`);
    const own = workers.filter(({ spec }) => (isShared ? spec.plans?.key === key : nameKey(spec.variant) === nameKey(name)));
    const ofKind = instanceCount === 0 ? own : own.filter(({ spec }) => spec.kind === 'instance');
    // During a monitored update both fleets run; only workers of the new one count.
    const model = `${variant.group}/${variant.version}`;
    const counted = isUnderWay(rollout) && !isShared ? ofKind.filter(({ spec }) => spec.modelName === model) : ofKind;
    const instances = reconciler.instancesOf(name);
    const failed = instances.find(({ state }) => state === 'failed');
    const wanted = reconciler.wantedInstances(variant);
    const ready = counted.filter(({ state }) => state === 'ready').length;
    return {
      name,
      ready: isShared ? Math.min(ready, wanted) : ready,
      workers: isShared ? [] : own,
      sharesWorkers: isShared,
      wanted,
      instances,
      startTrouble: failed === undefined ? reconciler.startTrouble : (failed.reason ?? 'its process ended'),
    };
  });
  const { versions } = reconciler.endpoint;
  const isSpread = workers.some(({ host }) => host !== undefined);
  const notes = [
    ...notesOn(config, machine),
    ...(isSpread ? [] : notesOnInstances(config, machine)),
    ...notesOnDevices(config, versions, machine),
    ...notesOnRedaction(config, versions),
  ];
  return {
    config,
    ...reconciler.status,
    generation,
    servedGeneration,
    createdAtMs,
    updatedAtMs,
    statusSinceMs,
    objectiveSinceMs,
    variants,
    rollout,
    versions: history,
    rolloutVersions,
    rolloutEvidence,
    notes,
  };
}

function notesOn(config: EndpointConfig, machine: Machine): string[] {
  return [
    ...notesOnTypes(config, machine),
    ...notesOnBudgets(config, machine),
    ...notesOnOverflow(config, machine),
    ...notesOnFunctions(config, machine),
  ];
}

/** CSV columns and JSON members can have any name, but a name unknown to the model is usually a typo. */
function notesOnRedaction({ capture }: EndpointConfig, versions: readonly ModelVersion[]): string[] {
  const known = new Set(versions.flatMap(({ signature }) => [...signature.inputs, ...signature.outputs].map(({ name }) => name)));
  const unknown = (capture?.redact ?? []).filter((name) => !known.has(name.replace(/\[\d+\]$/, '')) && !/^\[\d+\]$/.test(name));
  if (unknown.length === 0 || known.size === 0) return [];
  const names = unknown.map((name) => `'${name}'`).join(', ');
  return [`capture: the model has no input or output ${names}: these names redact only CSV columns and JSON members`];
}

function notesOnTypes({ variants }: EndpointConfig, { prices }: Machine): string[] {
  return variants.flatMap(({ name, instanceCount, instanceType: type, instanceTypeAsked: requested }) => {
    if (instanceCount === 0) return [];
    const substitution = requested === undefined ? [] : [`${requested} is not configured: the most similar type, ${type}, is used instead`];
    const accelerator =
      isAccelerated(requested ?? type) && prices.instances[type]?.hasDevices !== true
        ? [`${requested ?? type} has an accelerator on AWS; here it runs on CPUs`]
        : [];
    return [...substitution, ...accelerator].map((note) => `variant ${name}: ${note}`);
  });
}

/** Only workers of Python use devices. */
function notesOnDevices({ variants }: EndpointConfig, versions: readonly ModelVersion[], { prices }: Machine): string[] {
  return variants.flatMap(({ name, instanceCount, instanceType: type, group, version }) => {
    const runtime = versions.find((each) => each.name === `${group}/${version}`)?.runtime.kind ?? 'python';
    if (instanceCount === 0 || prices.instances[type]?.hasDevices !== true || runtime === 'python') return [];
    return [`variant ${name}: ${type} has an accelerator, which only Python models use: this model runs on CPUs`];
  });
}

function notesOnBudgets({ variants }: EndpointConfig, { prices }: Machine): string[] {
  return variants.flatMap(({ name, scaling, instanceType: type }) => {
    const budget = scaling?.usdPerHourMax ?? null;
    if (scaling === undefined || budget === null) return [];
    const minimumUsd = Number((scaling.instancesMin * instanceType(prices, type).usdPerHour).toPrecision(6));
    if (minimumUsd <= budget) return [];
    return [
      `variant ${name}: its minimum of ${scaling.instancesMin} × ${type} costs $${minimumUsd} per hour, above its budget of $${budget}: the minimum takes precedence`,
    ];
  });
}

/** For instances of this machine: hosts get no more workers than they have room for. */
function notesOnInstances({ variants }: EndpointConfig, { prices, cores }: Machine): string[] {
  let threads = 0;
  let instances = 0;
  for (const variant of variants) {
    const { instanceType: type, instanceCount } = variant;
    if (variant.isShadow === true && sharesWorkers(variant, variants)) continue;
    threads += threadsOf(instanceType(prices, type), cores) * instanceCount;
    instances += instanceCount;
  }
  if (threads <= cores) return [];
  return [`${instances} instances with ${threads} threads on ${cores} cores: they share the cores, so each is slower`];
}

/** Overflow to functions assumes additional CPUs, but on one machine functions share its cores with the instances. */
function notesOnOverflow({ variants }: EndpointConfig, { prices, cores }: Machine): string[] {
  return variants.flatMap(({ name, functions, instanceCount, instanceType: type }) => {
    if (functions === undefined || instanceCount === 0) return [];
    const free = remainingCores(prices, new Array<string>(instanceCount).fill(type), cores);
    if (functions.maxConcurrency <= free) return [];
    const [functionsText, coresText] = [
      `up to ${functions.maxConcurrency} functions`,
      `its ${instanceCount} × ${type} leave ${free} of ${cores} cores`,
    ];
    return [
      `variant ${name}: ${functionsText} can run on this machine, where ${coresText}: above that they compete with the instances, and all are slower than predicted. Set the max concurrency to ${Math.max(1, free)}`,
    ];
  });
}

function notesOnFunctions({ variants, objective, timeoutMs }: EndpointConfig, { provider }: Machine): string[] {
  const notes: string[] = [];
  for (const { name, functions, instanceCount } of variants) {
    if (functions !== undefined && instanceCount > 0 && objective === null) {
      notes.push(
        `variant ${name}: without an objective, functions take only requests that would miss the timeout: set an objective, such as p95<=50ms`,
      );
    }
    if (functions?.batching.kind !== 'fixed' || objective === null || functions.batching.waitMsMax < objective.latencyMs) continue;
    const wait = formatMs(functions.batching.waitMsMax);
    notes.push(`variant ${name}: its batches wait up to ${wait}, so the objective of ${formatMs(objective.latencyMs)} cannot be met`);
  }
  const hasFunctions = variants.some(({ functions }) => functions !== undefined);
  if (hasFunctions && objective !== null && objective.latencyMs > timeoutMs) {
    const [timeout, objectiveText] = [formatMs(timeoutMs), formatObjective(objective)];
    notes.push(`requests are cancelled after the timeout of ${timeout}, so batches are formed for that instead of ${objectiveText}`);
  }
  if (hasFunctions && !provider.limits.cpu) {
    notes.push(`functions are not limited to their CPU share, so all memory sizes are equally fast: ${provider.limits.reason}`);
  }
  return notes;
}

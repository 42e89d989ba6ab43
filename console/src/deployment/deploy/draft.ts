/** The draft of a deployment: converted from and to the URL, the API's request bodies and the command line. Pure functions. */
import type { DeploymentPlanBody, MixtureBody } from '../../../../src/api/index.ts';
import { functionsFields, instanceCountMax, instanceTypeDefault } from '../../../../src/fields/index.ts';

export interface DeployDraft {
  /** `digits/3`; empty until one is chosen. */
  readonly model: string;
  /** Name of the endpoint; null uses the proposed one. */
  readonly name: string | null;
  readonly percentile: number;
  readonly latencyMs: number;
  readonly ratePerSecond: number;
  /** Rate of the peak minute divided by the average rate. */
  readonly peakFactor: number;
  /** null: no instances. */
  readonly instanceType: string | null;
  readonly hasFunctions: boolean;
  /** Cost limit; null for none. */
  readonly usdPerHourMax: number | null;
  readonly late: 'serve' | 'shed';
  /** Keeps one executor running without traffic. */
  readonly keepOne: boolean;
}

type Search = Readonly<Record<string, string | undefined>>;

export const defaultDraft: DeployDraft = {
  model: '',
  name: null,
  percentile: 95,
  latencyMs: 50,
  ratePerSecond: 10,
  peakFactor: 1.5,
  instanceType: instanceTypeDefault,
  // With functions in the comparison, a looser objective has a lower price, which is what the slider is for.
  hasFunctions: true,
  usdPerHourMax: null,
  late: 'serve',
  keepOne: false,
};

function numberIn(text: string | undefined, least: number, most: number): number | null {
  const value = Number(text);
  return text !== undefined && text !== '' && Number.isFinite(value) && value >= least && value <= most ? value : null;
}

/** Missing and invalid parameters become defaults. */
export function draftOf(search: Search): DeployDraft {
  return {
    model: search['model'] ?? '',
    name: search['name'] ?? null,
    percentile: numberIn(search['p'], 50, 99.999) ?? defaultDraft.percentile,
    latencyMs: numberIn(search['ms'], 0.01, 3_600_000) ?? defaultDraft.latencyMs,
    ratePerSecond: numberIn(search['rate'], 1e-6, 1e6) ?? defaultDraft.ratePerSecond,
    peakFactor: numberIn(search['peak'], 1, 100) ?? defaultDraft.peakFactor,
    instanceType: search['instances'] === 'no' ? null : (search['instances'] ?? defaultDraft.instanceType),
    hasFunctions: search['functions'] !== 'no' || search['instances'] === 'no',
    usdPerHourMax: numberIn(search['max'], 1e-6, 1e6),
    late: search['late'] === 'shed' ? 'shed' : 'serve',
    keepOne: search['keep'] === '1',
  };
}

/** Only values that differ from the defaults appear in the URL. */
export function searchOf(draft: DeployDraft): Search {
  const unless = (value: string, defaultValue: string): string | undefined => (value === defaultValue ? undefined : value);
  return {
    model: draft.model,
    name: draft.name ?? undefined,
    p: unless(String(draft.percentile), String(defaultDraft.percentile)),
    ms: unless(String(draft.latencyMs), String(defaultDraft.latencyMs)),
    rate: unless(String(draft.ratePerSecond), String(defaultDraft.ratePerSecond)),
    peak: unless(String(draft.peakFactor), String(defaultDraft.peakFactor)),
    instances: unless(draft.instanceType ?? 'no', defaultDraft.instanceType ?? 'no'),
    functions: draft.hasFunctions ? undefined : 'no',
    max: draft.usdPerHourMax === null ? undefined : String(draft.usdPerHourMax),
    late: unless(draft.late, defaultDraft.late),
    keep: draft.keepOne ? '1' : undefined,
  };
}

export function objectiveOf({ percentile, latencyMs }: Pick<DeployDraft, 'percentile' | 'latencyMs'>): string {
  return `p${percentile}<=${latencyMs >= 1000 ? `${latencyMs / 1000}s` : `${latencyMs}ms`}`;
}

/** The body of `POST /plan/deployment`. */
export function planBodyOf(draft: DeployDraft): object {
  return {
    model: draft.model,
    objective: objectiveOf(draft),
    rate_per_second: draft.ratePerSecond,
    peak_factor: draft.peakFactor,
    instance_type: draft.instanceType,
    functions: draft.hasFunctions,
    keep_one: draft.keepOne,
    usd_per_hour_max: draft.usdPerHourMax,
  };
}

const concurrencyDefault = functionsFields.maxConcurrency.default;

/** The scaling policy and its bounds. */
function scalingOf(draft: DeployDraft, { instances, functions }: MixtureBody) {
  return {
    policy: 'economic',
    instances_min: draft.keepOne || functions === null ? 1 : 0,
    instances_max: Math.min(instanceCountMax, Math.max(4, 2 * instances)),
    usd_per_hour_max: draft.usdPerHourMax,
  };
}

/** Headroom of 50 % for bursts sharper than the plan assumes. */
function concurrencyOf({ functions }: MixtureBody): number {
  return Math.max(concurrencyDefault, Math.ceil(1.5 * (functions?.concurrency_max ?? 0)));
}

/** The body that creates the endpoint of a plan. */
export function endpointOf(draft: DeployDraft, name: string, plan: DeploymentPlanBody, chosen: MixtureBody): object {
  const functions =
    chosen.functions === null
      ? {}
      : {
          functions: {
            max_concurrency: concurrencyOf(chosen),
            ...(draft.keepOne && chosen.instances === 0 ? { provisioned: 1 } : {}),
          },
        };
  const instances =
    chosen.instances === 0
      ? {}
      : { instance_count: chosen.instances, instance_type: plan.instance_type ?? instanceTypeDefault, scaling: scalingOf(draft, chosen) };
  return { name, objective: objectiveOf(draft), late: draft.late, variants: [{ model: plan.model, ...instances, ...functions }] };
}

/** The equivalent command. */
export function deployCommand(draft: DeployDraft, name: string, plan: DeploymentPlanBody, chosen: MixtureBody): string {
  const parts = [`penstock deploy ${plan.model} ${name} --objective '${objectiveOf(draft)}'`];
  if (chosen.instances > 0) {
    const { policy, instances_min: least, instances_max: most, usd_per_hour_max: budget } = scalingOf(draft, chosen);
    parts.push(`--instances ${chosen.instances}`);
    if (plan.instance_type !== null && plan.instance_type !== instanceTypeDefault) parts.push(`--instance-type ${plan.instance_type}`);
    parts.push(`--scaling ${policy} --min-instances ${least} --max-instances ${most}`);
    if (budget !== null) parts.push(`--scaling-budget ${budget}`);
    if (chosen.functions !== null) parts.push('--overflow functions');
  } else parts.push('--serverless');
  if (chosen.functions !== null && concurrencyOf(chosen) !== concurrencyDefault) parts.push(`--max-concurrency ${concurrencyOf(chosen)}`);
  if (draft.keepOne && chosen.instances === 0) parts.push('--provisioned 1');
  if (draft.late !== 'serve') parts.push(`--late ${draft.late}`);
  return parts.join(' ');
}

/** An unused endpoint name: that of the group, with a number if it is taken. */
export function proposedName(model: string, taken: readonly string[]): string {
  const group = model.split('/')[0] ?? '';
  const lower = new Set(taken.map((name) => name.toLowerCase()));
  if (!lower.has(group.toLowerCase())) return group;
  for (let number = 2; ; number++) {
    const name = `${group.slice(0, 58)}-${number}`;
    if (!lower.has(name.toLowerCase())) return name;
  }
}

/** The error message of an invalid name; null if it is valid. */
export function nameProblem(name: string, taken: readonly string[]): string | null {
  if (name === '') return 'Enter a name.';
  if (!/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/.test(name)) return 'Use letters, digits and inner hyphens, at most 63 characters.';
  if (taken.some((other) => other.toLowerCase() === name.toLowerCase())) return `An endpoint ${name} already exists.`;
  return null;
}

/** What somebody wants to deploy: read from the address, written into it, and told to the platform and to the command line. Pure. */
import type { DeploymentPlanBody, MixtureBody } from '../../../../src/api/index.ts';

export interface Wish {
  /** `digits/3`; empty until one is chosen. */
  readonly model: string;
  /** Of the endpoint; null: not said, so one is proposed. */
  readonly name: string | null;
  readonly percentile: number;
  readonly latencyMs: number;
  readonly ratePerSecond: number;
  readonly peakFactor: number;
  /** null: no instances. */
  readonly instanceType: string | null;
  readonly hasFunctions: boolean;
  readonly usdPerHourMax: number | null;
  readonly late: 'serve' | 'shed';
  readonly keepOne: boolean;
}

type Search = Readonly<Record<string, string | undefined>>;

export const usualWish: Wish = {
  model: '',
  name: null,
  percentile: 95,
  latencyMs: 50,
  ratePerSecond: 10,
  peakFactor: 1.5,
  instanceType: 'local.1',
  // As `penstock deploy` does: who runs this machine has paid for it, and functions cost a wait.
  hasFunctions: false,
  usdPerHourMax: null,
  late: 'serve',
  keepOne: false,
};

function numberIn(text: string | undefined, least: number, most: number): number | null {
  const value = Number(text);
  return text !== undefined && text !== '' && Number.isFinite(value) && value >= least && value <= most ? value : null;
}

/** What the address does not say, or says wrongly, is as usual. */
export function wishOf(search: Search): Wish {
  return {
    model: search['model'] ?? '',
    name: search['name'] ?? null,
    percentile: numberIn(search['p'], 50, 99.999) ?? usualWish.percentile,
    latencyMs: numberIn(search['ms'], 0.01, 3_600_000) ?? usualWish.latencyMs,
    ratePerSecond: numberIn(search['rate'], 1e-6, 1e6) ?? usualWish.ratePerSecond,
    peakFactor: numberIn(search['peak'], 1, 100) ?? usualWish.peakFactor,
    instanceType: search['instances'] === 'no' ? null : (search['instances'] ?? usualWish.instanceType),
    hasFunctions: search['functions'] === 'yes' || search['instances'] === 'no',
    usdPerHourMax: numberIn(search['max'], 1e-6, 1e6),
    late: search['late'] === 'shed' ? 'shed' : 'serve',
    keepOne: search['keep'] === '1',
  };
}

/** Only what differs from what is usual stands in the address. */
export function searchOf(wish: Wish): Search {
  const unless = (value: string, usual: string): string | undefined => (value === usual ? undefined : value);
  return {
    model: wish.model,
    name: wish.name ?? undefined,
    p: unless(String(wish.percentile), String(usualWish.percentile)),
    ms: unless(String(wish.latencyMs), String(usualWish.latencyMs)),
    rate: unless(String(wish.ratePerSecond), String(usualWish.ratePerSecond)),
    peak: unless(String(wish.peakFactor), String(usualWish.peakFactor)),
    instances: unless(wish.instanceType ?? 'no', usualWish.instanceType ?? 'no'),
    functions: wish.hasFunctions ? 'yes' : undefined,
    max: wish.usdPerHourMax === null ? undefined : String(wish.usdPerHourMax),
    late: unless(wish.late, usualWish.late),
    keep: wish.keepOne ? '1' : undefined,
  };
}

export function objectiveOf({ percentile, latencyMs }: Pick<Wish, 'percentile' | 'latencyMs'>): string {
  return `p${percentile}<=${latencyMs}ms`;
}

export function planBodyOf(wish: Wish): object {
  return {
    model: wish.model,
    objective: objectiveOf(wish),
    rate_per_second: wish.ratePerSecond,
    peak_factor: wish.peakFactor,
    instance_type: wish.instanceType,
    functions: wish.hasFunctions,
    keep_one: wish.keepOne,
    usd_per_hour_max: wish.usdPerHourMax,
  };
}

const concurrencyUsual = 10;
const instancesMost = 64;

/** How far the number of instances may follow the traffic. */
function scalingOf(wish: Wish, { instances, functions }: MixtureBody) {
  return {
    policy: 'economic',
    instances_min: wish.keepOne || functions === null ? 1 : 0,
    instances_max: Math.min(instancesMost, Math.max(4, 2 * instances)),
    usd_per_hour_max: wish.usdPerHourMax,
  };
}

/** Room for bursts that are sharper than those assumed. */
function concurrencyOf({ functions }: MixtureBody): number {
  return Math.max(concurrencyUsual, Math.ceil(1.5 * (functions?.concurrency_max ?? 0)));
}

/** What is created where the plan is taken. */
export function endpointOf(wish: Wish, name: string, plan: DeploymentPlanBody, chosen: MixtureBody): object {
  const functions =
    chosen.functions === null
      ? {}
      : {
          functions: {
            max_concurrency: concurrencyOf(chosen),
            ...(wish.keepOne && chosen.instances === 0 ? { provisioned: 1 } : {}),
          },
        };
  const instances =
    chosen.instances === 0
      ? {}
      : { instance_count: chosen.instances, instance_type: plan.instance_type ?? 'local.1', scaling: scalingOf(wish, chosen) };
  return { name, objective: objectiveOf(wish), late: wish.late, variants: [{ model: plan.model, ...instances, ...functions }] };
}

/** The same from a terminal. */
export function commandOf(wish: Wish, name: string, plan: DeploymentPlanBody, chosen: MixtureBody): string {
  const parts = [`penstock deploy ${plan.model} --name ${name} --objective '${objectiveOf(wish)}'`];
  if (chosen.instances > 0) {
    const { policy, instances_min: least, instances_max: most, usd_per_hour_max: budget } = scalingOf(wish, chosen);
    parts.push(`--instances ${chosen.instances}`);
    if (plan.instance_type !== null && plan.instance_type !== 'local.1') parts.push(`--instance-type ${plan.instance_type}`);
    parts.push(`--scaling ${policy} --min-instances ${least} --max-instances ${most}`);
    if (budget !== null) parts.push(`--scaling-budget ${budget}`);
    if (chosen.functions !== null) parts.push('--overflow functions');
  } else parts.push('--serverless');
  if (chosen.functions !== null && concurrencyOf(chosen) !== concurrencyUsual) parts.push(`--max-concurrency ${concurrencyOf(chosen)}`);
  if (wish.keepOne && chosen.instances === 0) parts.push('--provisioned 1');
  if (wish.late !== 'serve') parts.push(`--late ${wish.late}`);
  return parts.join(' ');
}

/** A name that nobody has: the group's, or with a number behind it. */
export function proposedName(model: string, taken: readonly string[]): string {
  const group = model.split('/')[0] ?? '';
  const lower = new Set(taken.map((name) => name.toLowerCase()));
  if (!lower.has(group.toLowerCase())) return group;
  for (let number = 2; ; number++) {
    const name = `${group.slice(0, 58)}-${number}`;
    if (!lower.has(name.toLowerCase())) return name;
  }
}

/** What is wrong with a name; null where it will do. */
export function nameTrouble(name: string, taken: readonly string[]): string | null {
  if (name === '') return 'An endpoint needs a name.';
  if (!/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/.test(name)) return 'Letters, digits and hyphens between them, at most 63.';
  if (taken.some((other) => other.toLowerCase() === name.toLowerCase())) return `There is an endpoint ${name} already.`;
  return null;
}

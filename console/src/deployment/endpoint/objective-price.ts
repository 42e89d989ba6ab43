/** The price of an objective for a running endpoint, within its limits of instances and functions. Pure functions. */
import type { DeploymentPlanBody, VariantBody } from '../../../../src/api/index.ts';

type Limited = Pick<VariantBody, 'model' | 'wanted' | 'instance_type' | 'scaling' | 'functions'>;

export interface InstanceLimits {
  readonly least: number;
  readonly most: number;
}

/** Without a scaling policy the number of instances is fixed. */
export function instanceLimits({ scaling, wanted }: Limited): InstanceLimits {
  return scaling === null ? { least: wanted, most: wanted } : { least: scaling.instances_min, most: scaling.instances_max };
}

export interface PlannedTraffic {
  readonly ratePerSecond: number;
  readonly peakFactor: number;
}

/** The body of `POST /plan/deployment` for a variant as it is, with another objective. */
export function planBodyFor(variant: Limited, objective: string, traffic: PlannedTraffic) {
  const { scaling, functions, model, instance_type: instanceType } = variant;
  const hasInstances = instanceLimits(variant).most > 0;
  return {
    model,
    objective,
    rate_per_second: traffic.ratePerSecond,
    peak_factor: traffic.peakFactor,
    instance_type: hasInstances ? instanceType : null,
    functions: functions !== null,
    keep_one: (functions?.provisioned ?? 0) > 0,
    usd_per_hour_max: scaling?.usd_per_hour_max ?? null,
  };
}

/** US dollars per hour of the cheapest setting within the limits that meets the objective; null if none does. */
export function priceWithin({ mixtures }: Pick<DeploymentPlanBody, 'mixtures'>, { least, most }: InstanceLimits): number | null {
  const possible = mixtures.filter(({ instances, rejected_because: why }) => why === null && instances >= least && instances <= most);
  return possible.length === 0 ? null : Math.min(...possible.map(({ usd_per_hour: usd }) => usd));
}

type Curve = NonNullable<DeploymentPlanBody['curve']>;

/** The cost curve of the plan, no lower than the instances that the endpoint keeps in any case. */
export function curveWithin(curve: Curve, { mixtures }: Pick<DeploymentPlanBody, 'mixtures'>, { least }: InstanceLimits): Curve {
  const [some] = mixtures.filter(({ instances }) => instances > 0);
  const leastUsd = some === undefined ? 0 : (least * some.instance_usd_per_hour) / some.instances;
  return curve.map(({ latency_ms: ms, usd_per_hour: usd }) => ({
    latency_ms: ms,
    usd_per_hour: usd === null ? null : Math.max(usd, leastUsd),
  }));
}

/** What limits the price, apart from the objective. */
export function limitsText(variant: Limited): string {
  const { least, most } = instanceLimits(variant);
  const functions = variant.functions === null ? 'no functions' : 'functions';
  if (most === 0) return 'functions only';
  const instances = least === most ? `${least} × ${variant.instance_type}, fixed` : `${least} to ${most} × ${variant.instance_type}`;
  return `${instances}; ${functions}`;
}

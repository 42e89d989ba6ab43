/** Describes a plan in sentences. Pure functions. */
import type { DeploymentPlanBody, MixtureBody, ProfileBody, VersionBody } from '../../../../src/api/index.ts';
import { count, fixed, mib, percent, plural, rate, shape } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';

/** `2 instances + functions` */
export function mixtureTitle({ instances, functions }: MixtureBody): string {
  if (instances === 0) return 'functions only';
  return `${plural(instances, 'instance')}${functions === null ? ', no functions' : ' + functions'}`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What runs, and how requests are split between instances and functions. */
export function planSentence(plan: DeploymentPlanBody, chosen: MixtureBody, keepOne: boolean): string {
  const { instances, instance_batch_size: rows, functions, overflow_share: overflow } = chosen;
  const parts: string[] = [];
  if (instances > 0) {
    parts.push(`${instances} × ${plan.instance_type ?? ''}, ${rows === 1 ? 'no batching' : `batch up to ${rows ?? 1}`}, no added wait`);
  }
  if (functions !== null) {
    const batching =
      functions.batch_size_max === 1
        ? 'no batching'
        : `batch up to ${functions.batch_size_max}, dispatched when full or when slack runs out`;
    parts.push(`functions with ${mib(functions.memory_mib)}, ${batching}`);
  }
  return `${capital(parts.join('; '))}. ${shareSentence(instances, functions !== null, overflow, chosen.cold_start_share, keepOne)}`;
}

function shareSentence(instances: number, hasFunctions: boolean, overflow: number, coldShare: number, keepOne: boolean): string {
  if (instances > 0 && hasFunctions) {
    return overflow < 0.5
      ? `Instances serve ${percent(1 - overflow)} %, functions absorb bursts.`
      : `Functions serve ${percent(overflow)} %, instances the rest.`;
  }
  if (instances > 0) return 'They are billed even without traffic.';
  const starts = coldShare > 0.0005 ? ` ${percent(coldShare)} % of the calls wait for a cold start.` : '';
  return keepOne ? `One stays warm without traffic.${starts}` : `Without traffic it costs nothing.${starts}`;
}

/** Savings against the cheapest plan with instances only. */
export function againstAlwaysOn(
  { mixtures }: DeploymentPlanBody,
  chosen: MixtureBody,
): { readonly value: string; readonly unit: string; readonly note: string } {
  const always = mixtures.find(({ instances, functions, rejected_because: why }) => instances > 0 && functions === null && why === null);
  if (always === undefined) return { value: '–', unit: '', note: 'instances alone miss the objective' };
  if (chosen.functions === null && chosen.instances > 0) return { value: '0', unit: '%', note: 'this is always-on' };
  const saved = 1 - chosen.usd_per_hour / always.usd_per_hour;
  return {
    value: saved > 0.995 ? '99+' : fixed(Math.max(0, saved * 100)),
    unit: '% less',
    note: `${usdFine(always.usd_per_hour)} per hour`,
  };
}

/** The approximate cost per month (730 hours). */
export function usdMonth(usdPerHour: number): string {
  const month = usdPerHour * 730;
  return month >= 100 ? `$${count(Math.round(month))}` : month >= 1 ? `$${fixed(month, 2)}` : usdFine(month);
}

/** The signature of a version, and the effect of batching. */
export function versionSentence(version: VersionBody, profile: ProfileBody | undefined): string {
  const side = (tensors: VersionBody['signature']['inputs']): string =>
    tensors.map((tensor) => `${tensor.name} ${shape(tensor)}`).join(', ');
  const { inputs, outputs } = version.signature;
  const takes = inputs.length === 0 ? 'Raw bytes in, raw bytes out.' : `${side(inputs)} → ${side(outputs)}.`;
  return `${takes} ${batchSentence(version, profile)}`;
}

function batchSentence(version: VersionBody, profile: ProfileBody | undefined): string {
  if (!version.batchable) return `Cannot be batched: ${version.batchable_reason}.`;
  const one = profile?.service[0];
  const many = profile?.service.find(({ b }) => b >= 16) ?? profile?.service.at(-1);
  if (one === undefined || many === undefined || many.b === 1) return 'Can be batched.';
  const times = many.p50_ms / one.p50_ms;
  return times < 1.05
    ? `Can be batched: a batch of ${many.b} takes no longer than one row.`
    : `Can be batched: a batch of ${many.b} takes ${fixed(times, 1)} × the time of one row.`;
}

/** The value of the slider for screen readers. */
export function objectiveLabel(percentile: number, latencyMs: number, usdPerHour: number | null): string {
  const objective = `p${percentile} at most ${latencyMs} ms`;
  return usdPerHour === null ? `${objective}, not possible` : `${objective}, ${usdFine(usdPerHour)} per hour`;
}

/** What happens after the click on Deploy. */
export function afterClick({ instances, functions }: MixtureBody): string {
  if (instances === 0) return `In service at once; the first request starts ${functions === null ? 'it' : 'a function'}.`;
  return `Starts ${plural(instances, 'worker')}, loads the model, passes a probe, opens for traffic.`;
}

/** How the plan is billed, and the approximate cost per month. */
export function formatPayment({ instances, functions, usd_per_hour: usd }: MixtureBody, keepOne: boolean): string {
  const hourly = instances > 0 ? 'Instances are billed by the hour' : keepOne ? 'The warm function is billed by the hour' : null;
  const paid =
    hourly === null
      ? 'Billed by use'
      : functions === null
        ? `${hourly}, even without traffic`
        : `${hourly}, ${instances > 0 ? 'functions' : 'the others'} by use`;
  return `${paid}: about ${usdMonth(usd)} per month at this traffic.`;
}

export function rateText(value: number): string {
  return value < 0.1 ? String(Number(value.toPrecision(2))) : rate(value);
}

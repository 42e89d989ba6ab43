/** A plan in sentences. Pure. */
import type { DeploymentPlanBody, MixtureBody, ProfileBody, VersionBody } from '../../../../src/api/index.ts';
import { count, fixed, mib, percent, plural, rate, shape } from '../../kit/format.ts';
import { usdFine } from '../../kit/money.ts';

/** `2 instances + functions` */
export function mixtureTitle({ instances, functions }: MixtureBody): string {
  if (instances === 0) return 'functions only';
  return `${plural(instances, 'instance')}${functions === null ? ', no functions' : ' + functions'}`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What runs, and how the requests are shared. */
export function planSentence(plan: DeploymentPlanBody, chosen: MixtureBody, keepOne: boolean): string {
  const { instances, instance_batch_size: rows, functions, overflow_share: overflow } = chosen;
  const parts: string[] = [];
  if (instances > 0) {
    parts.push(`${instances} × ${plan.instance_type ?? ''}, ${rows === 1 ? 'each request alone' : `batch up to ${rows ?? 1}`}, never wait`);
  }
  if (functions !== null) {
    const held =
      functions.batch_size_max === 1
        ? 'each request alone, at once'
        : `batch up to ${functions.batch_size_max}, leave when full or out of slack`;
    parts.push(`functions of ${mib(functions.memory_mib)}, ${held}`);
  }
  return `${capital(parts.join('; '))}. ${shareSentence(instances, functions !== null, overflow, chosen.cold_start_share, keepOne)}`;
}

function shareSentence(instances: number, hasFunctions: boolean, overflow: number, coldShare: number, keepOne: boolean): string {
  if (instances > 0 && hasFunctions) {
    return overflow < 0.5
      ? `Instances carry ${percent(1 - overflow)} %, functions take bursts.`
      : `Functions answer ${percent(overflow)} %, instances what they can.`;
  }
  if (instances > 0) return 'They are paid for whether requests come or not.';
  const starts = coldShare > 0.0005 ? ` ${percent(coldShare)} % of the calls wait for a start.` : '';
  return keepOne ? `One stays warm without traffic.${starts}` : `No traffic costs nothing.${starts}`;
}

/** `1 × always on, $0.306 per hour`: the cheapest of instances alone. */
export function againstAlwaysOn(
  { mixtures }: DeploymentPlanBody,
  chosen: MixtureBody,
): { readonly value: string; readonly unit: string; readonly note: string } {
  const always = mixtures.find(({ instances, functions, rejected_because: why }) => instances > 0 && functions === null && why === null);
  if (always === undefined) return { value: '–', unit: '', note: 'instances alone do not keep it' };
  if (chosen.functions === null && chosen.instances > 0) return { value: '0', unit: '%', note: 'it is always on' };
  const saved = 1 - chosen.usd_per_hour / always.usd_per_hour;
  return {
    value: saved > 0.995 ? '99+' : fixed(Math.max(0, saved * 100)),
    unit: '% less',
    note: `${usdFine(always.usd_per_hour)} per hour`,
  };
}

/** About a month of it. */
export function usdMonth(usdPerHour: number): string {
  const month = usdPerHour * 730;
  return month >= 100 ? `$${count(Math.round(month))}` : month >= 1 ? `$${fixed(month, 2)}` : usdFine(month);
}

/** What a version takes and gives, and whether company pays. */
export function versionSentence(version: VersionBody, profile: ProfileBody | undefined): string {
  const side = (tensors: VersionBody['signature']['inputs']): string =>
    tensors.map((tensor) => `${tensor.name} ${shape(tensor)}`).join(', ');
  const { inputs, outputs } = version.signature;
  const takes = inputs.length === 0 ? 'Raw bytes in, raw bytes out.' : `${side(inputs)} → ${side(outputs)}.`;
  return `${takes} ${batchSentence(version, profile)}`;
}

function batchSentence(version: VersionBody, profile: ProfileBody | undefined): string {
  if (!version.batchable) return `It may not be batched: ${version.batchable_reason}.`;
  const one = profile?.service[0];
  const many = profile?.service.find(({ b }) => b >= 16) ?? profile?.service.at(-1);
  if (one === undefined || many === undefined || many.b === 1) return 'May be batched.';
  const times = many.p50_ms / one.p50_ms;
  return times < 1.05
    ? `May be batched: ${many.b} together take no longer than one.`
    : `May be batched: ${many.b} together take ${fixed(times, 1)} × the time of one.`;
}

/** For whoever hears the slider. */
export function promiseSpoken(percentile: number, latencyMs: number, usdPerHour: number | null): string {
  const promise = `p${percentile} at most ${latencyMs} ms`;
  return usdPerHour === null ? `${promise}, not possible` : `${promise}, ${usdFine(usdPerHour)} per hour`;
}

/** What happens after the click. */
export function afterClick({ instances, functions }: MixtureBody): string {
  if (instances === 0) return `In service at once; the first request starts ${functions === null ? 'it' : 'a function'}.`;
  return `Then: start ${plural(instances, 'worker')}, load the model, answer a probe, open.`;
}

/** By what it is paid for, and about how much that is. */
export function payWords({ instances, functions, usd_per_hour: usd }: MixtureBody, keepOne: boolean): string {
  const hourly = instances > 0 ? 'Instances are paid for by the hour' : keepOne ? 'The one that stays warm is paid for by the hour' : null;
  const paid =
    hourly === null ? 'You pay for use' : functions === null ? `${hourly}, whether requests come or not` : `${hourly}, functions by use`;
  return `${paid}: at this traffic about ${usdMonth(usd)} a month.`;
}

export function rateText(value: number): string {
  return value < 0.1 ? String(Number(value.toPrecision(2))) : rate(value);
}

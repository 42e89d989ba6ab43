/** `penstock simulate --replay`: what came to an endpoint, as its server recorded it, and what serves it today. */
import type { ArrivalsBody, EndpointBody, Page, ScalingDecisionBody, StatusBody, VariantBody } from '../api/index.ts';
import { slotMsFor } from '../autoscaling/index.ts';
import { parseFloor } from '../deployment/index.ts';
import { type Objective, parseObjective } from '../objective.ts';
import {
  type DeployedPolicy,
  type DeployedVariant,
  deployedPolicy,
  inSlots,
  knownMemory,
  loadOfRecording,
  type RecordedCounts,
  type Recording,
  type SimulatedProfile,
  withStarts,
} from '../simulation/index.ts';
import { type Client, part } from './client.ts';
import { Failure } from './failure.ts';
import { measuredProfile } from './measured-profile.ts';
import { countText, durationText, shellQuoted, timeText, utcText } from './words.ts';

export interface ReplayWish {
  readonly endpoint: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** May be left out where there is but one. */
  readonly variant: string | undefined;
  readonly scale: number;
  /** Of instances, where it is not as measured. */
  readonly leadMs: number | null;
  /** Where it is not that of its model. */
  readonly profile: SimulatedProfile | null;
}

export interface Replay {
  readonly recording: Recording;
  readonly endpoint: string;
  readonly variant: string;
  readonly objective: Objective | null;
  readonly profile: SimulatedProfile;
  /** The instance type that it has. */
  readonly types: readonly string[];
  /** The memory its functions have now; null where it has none. */
  readonly memoryMiB: number | null;
  /** How it scales today. */
  readonly current: DeployedPolicy;
  /** What a person has to know of it. */
  readonly remarks: readonly string[];
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
/** As far back as a forecaster looks; where it looks by shorter slots than a minute, it has done with a day. */
const historyMs = 8 * dayMs;

/** Throws `Failure` where nothing was recorded, nobody came, or it is not clear which variant is meant. */
export async function readReplay(client: Client, wish: ReplayWish): Promise<Replay> {
  const view = await client.get<EndpointBody>(`/endpoints/${part(wish.endpoint)}`);
  const variant = variantOf(view, wish.variant);
  const [group = '', version = ''] = variant.model.split('/');
  // What it will be like again is how it was while serving, where nobody says otherwise.
  const profile =
    wish.profile ?? withStarts(await measuredProfile(client, group, Number(version), true), await startsOf(client, view, variant));
  const isMeasured = profile.types.some(({ name }) => name === variant.instance_type);
  const type = isMeasured ? variant.instance_type : profile.types[0]?.name;
  const path = `/endpoints/${part(view.name)}/arrivals`;
  const since = new Date(wish.sinceMs).toISOString();
  const body = await client.get<ArrivalsBody>(path, { query: { since, variant: variant.name } });
  const leadMs = wish.leadMs ?? profile.types.find(({ name }) => name === type)?.leadMs ?? 0;
  const before = await historyOf(client, path, { variant: variant.name, untilMs: Date.parse(body.from), slotMs: slotMsFor(leadMs) });
  const recording = loadOfRecording(view.name, countsOf(body), before, wish.scale);
  if (recording === null)
    throw new Failure(
      `nothing is recorded of ${view.name} since ${utcText(since)}: its arrivals are recorded while its server runs; ` +
        'send requests, and ask again in a few seconds',
    );
  if (recording.requests === 0)
    throw new Failure(
      `nobody came to ${view.name} since ${utcText(new Date(recording.span.fromMs).toISOString())}: there is nothing to replay`,
    );
  const [from, to] = [recording.span.fromMs, recording.span.toMs].map((ms) => timeText(new Date(ms).toISOString()));
  const load = { ...recording.load, name: `${recording.load.name} from ${from} to ${to} UTC` };
  const remarks = remarksOf(view.name, wish.sinceMs, recording);
  if (!isMeasured && type !== undefined && variant.wanted > 0)
    remarks.push(`${variant.model} is not measured on ${variant.instance_type}: taken to be as on ${type}`);
  return {
    recording: { ...recording, load },
    endpoint: view.name,
    variant: variant.name,
    objective: view.objective === null ? null : parseObjective(view.objective),
    profile,
    types: type === undefined ? [] : [type],
    memoryMiB: knownMemory(profile, variant.setting?.memory_mib),
    current: deployedPolicy(deployedOf(variant), { profile, cores: (await client.get<StatusBody>('/status')).cores }),
    remarks,
  };
}

function variantOf({ name, variants }: EndpointBody, wished: string | undefined): VariantBody {
  const found = wished === undefined ? undefined : variants.find((other) => other.name.toLowerCase() === wished.toLowerCase());
  const [only, ...others] = variants;
  if (found !== undefined) return found;
  const names = variants.map((variant) => variant.name).join(', ');
  if (wished !== undefined) throw new Failure(`endpoint ${name} has no variant ${shellQuoted(wished)}: it has ${names}`);
  if (only !== undefined && others.length === 0) return only;
  throw new Failure(`endpoint ${name} has several variants: name one, --variant ${only?.name ?? ''} (it has ${names})`, 2);
}

/** What was counted before, by the minute, in slots of the length that a forecaster has. */
async function historyOf(
  client: Client,
  path: string,
  { variant, untilMs, slotMs }: { readonly variant: string; readonly untilMs: number; readonly slotMs: number },
): Promise<RecordedCounts | null> {
  const endMs = Math.floor(untilMs / minuteMs) * minuteMs;
  const spanMs = slotMs < minuteMs ? dayMs : historyMs;
  const query = { since: new Date(endMs - spanMs).toISOString(), until: new Date(endMs).toISOString(), by: 'minute', variant };
  const counted = countsOf(await client.get<ArrivalsBody>(path, { query }));
  return counted.requests.length === 0 ? null : inSlots(counted, slotMs);
}

function countsOf({ from, slot_s: slotS, requests, rows }: ArrivalsBody): RecordedCounts {
  return { fromMs: Date.parse(from), slotMs: slotS * 1000, requests, rows };
}

/** How long its last starts took. */
async function startsOf(
  client: Client,
  { name }: EndpointBody,
  { name: variant, instance_type: type, environments, scaling }: VariantBody,
) {
  const query = { kind: 'scaling', limit: '100' };
  const decided =
    scaling === null ? [] : (await client.get<Page<ScalingDecisionBody>>(`/endpoints/${part(name)}/decisions`, { query })).items;
  const leadS = decided.find((decision) => decision.variant === variant)?.inputs.types[type]?.lead_s;
  return { leadMs: leadS === undefined ? null : leadS * 1000, coldMs: environments?.cold_start_ms ?? null };
}

function deployedOf({ scaling, functions, wanted, setting }: VariantBody): DeployedVariant {
  return {
    scaling:
      scaling === null
        ? null
        : {
            policy: scaling.policy,
            instancesMin: scaling.instances_min,
            instancesMax: scaling.instances_max,
            usdPerHourMax: scaling.usd_per_hour_max,
            ...(scaling.floors === undefined ? {} : { floors: scaling.floors.map(parseFloor) }),
          },
    functions:
      functions === null
        ? null
        : {
            maxConcurrency: functions.max_concurrency,
            provisioned: functions.provisioned,
            keepAliveMs: functions.keep_alive_ms,
            memoryMiB: functions.memory_mib,
            batching: batchingOf(functions),
          },
    wanted,
    setting:
      setting === null ? null : { memoryMiB: setting.memory_mib, batchSizeMax: setting.batch_size_max, waitMsMax: setting.wait_ms_max },
  };
}

type FunctionsBody = NonNullable<VariantBody['functions']>;

function batchingOf({ batching: kind, batch_size_max: rows, wait_ms_max: waitMsMax }: FunctionsBody) {
  return kind === 'fixed' ? { kind, batchSizeMax: rows ?? 1, waitMsMax: waitMsMax ?? 0 } : { kind };
}

function remarksOf(name: string, sinceMs: number, { span, gaps }: Recording): string[] {
  const remarks: string[] = [];
  if (span.fromMs - sinceMs > minuteMs)
    remarks.push(
      `${name} is recorded since ${utcText(new Date(span.fromMs).toISOString())}, ` +
        `${durationText((span.toMs - span.fromMs) / 1000)} and not ${durationText((span.toMs - sinceMs) / 1000)}`,
    );
  if (gaps.length === 0) return remarks;
  const [longest] = gaps.toSorted((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs));
  const goneMs = gaps.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  const [from, to] = [longest?.fromMs ?? 0, longest?.toMs ?? 0].map((ms) => timeText(new Date(ms).toISOString()));
  remarks.push(
    `${countText(gaps.length, 'gap')} of ${durationText(goneMs / 1000)}${gaps.length > 1 ? ' together' : ''}, in which no server counted, ` +
      `${gaps.length > 1 ? 'are' : 'is'} left out: what came before and after is replayed as if it met (the longest from ${from} to ${to} UTC)`,
  );
  return remarks;
}

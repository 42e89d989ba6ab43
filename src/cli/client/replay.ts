/** `penstock simulate --replay`: an endpoint's recorded arrivals and its current deployment, as the input of a simulation. */

import type { ArrivalsBody, EndpointBody, PageBody, ScalingDecisionBody, StatusBody, VariantBody } from '../../api/index.ts';
import { slotMsFor } from '../../autoscaling/index.ts';
import { parseFloor } from '../../deployment/index.ts';
import { sameName } from '../../names.ts';
import { type Objective, parseObjective } from '../../objective.ts';
import {
  type DeployedPolicy,
  type DeployedVariant,
  deployedPolicy,
  inSlots,
  type LoadRecording,
  loadOfRecording,
  profiledMemory,
  type RecordedCounts,
  type SimulatedProfile,
  withObservedStarts,
} from '../../simulation/index.ts';
import { CliError } from '../cli-error.ts';
import { countText, durationText, shellQuoted, timeText, utcText } from '../output/format.ts';
import { type Client, pathSegment } from './client.ts';
import { measuredProfile } from './measured-profile.ts';

/** What the options of the verb ask for. */
export interface ReplayQuery {
  readonly endpoint: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** Optional if the endpoint has one variant. */
  readonly variant: string | undefined;
  readonly scale: number;
  /** Start time of instances in milliseconds; null: as measured. */
  readonly leadMs: number | null;
  /** Null: the profile of the variant's model. */
  readonly profile: SimulatedProfile | null;
}

/** What the server knows of the endpoint, read before the simulation begins. */
export interface Replay {
  readonly recording: LoadRecording;
  readonly endpoint: string;
  readonly variant: string;
  readonly objective: Objective | null;
  readonly profile: SimulatedProfile;
  /** The variant's instance type, or the type in the profile if they differ. */
  readonly types: readonly string[];
  /** The current memory size of its functions; null without functions. */
  readonly memoryMiB: number | null;
  /** The current scaling policy. */
  readonly current: DeployedPolicy;
  /** Limitations of the recording to print. */
  readonly remarks: readonly string[];
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
/** How far back forecasters look. With slots shorter than a minute they need only a day. */
const historyMs = 8 * dayMs;

/** Throws `CliError` if nothing was recorded, there was no traffic, or the variant is ambiguous. */
export async function readReplay(client: Client, query: ReplayQuery): Promise<Replay> {
  const view = await client.get<EndpointBody>(`/endpoints/${pathSegment(query.endpoint)}`);
  const variant = variantOf(view, query.variant);
  const [group = '', version = ''] = variant.model.split('/');
  // Without an explicit profile, service times observed while serving are the best prediction.
  const profile =
    query.profile ?? withObservedStarts(await measuredProfile(client, group, Number(version), true), await startsOf(client, view, variant));
  const isMeasured = profile.types.some(({ name }) => name === variant.instance_type);
  const type = isMeasured ? variant.instance_type : profile.types[0]?.name;
  const path = `/endpoints/${pathSegment(view.name)}/arrivals`;
  const since = new Date(query.sinceMs).toISOString();
  const body = await client.get<ArrivalsBody>(path, { query: { since, variant: variant.name } });
  const leadMs = query.leadMs ?? profile.types.find(({ name }) => name === type)?.leadMs ?? 0;
  const before = await historyOf(client, path, { variant: variant.name, untilMs: Date.parse(body.from), slotMs: slotMsFor(leadMs) });
  const recording = loadOfRecording(view.name, countsOf(body), before, query.scale);
  if (recording === null)
    throw new CliError(
      `no arrivals of ${view.name} are recorded since ${utcText(since)}: arrivals are recorded while the server runs. ` +
        'Send requests and try again in a few seconds',
    );
  if (recording.requests === 0)
    throw new CliError(
      `${view.name} has had no requests since ${utcText(new Date(recording.span.fromMs).toISOString())}: there is nothing to replay`,
    );
  const [from, to] = [recording.span.fromMs, recording.span.toMs].map((ms) => timeText(new Date(ms).toISOString()));
  const load = { ...recording.load, name: `${recording.load.name} from ${from} to ${to} UTC` };
  const remarks = remarksOf(view.name, query.sinceMs, recording);
  if (!isMeasured && type !== undefined && variant.wanted > 0)
    remarks.push(`${variant.model} was not measured on ${variant.instance_type}: its measurements on ${type} are used instead`);
  return {
    recording: { ...recording, load },
    endpoint: view.name,
    variant: variant.name,
    objective: view.objective === null ? null : parseObjective(view.objective),
    profile,
    types: type === undefined ? [] : [type],
    memoryMiB: profiledMemory(profile, variant.setting?.memory_mib),
    current: deployedPolicy(deployedOf(variant), { profile, cores: (await client.get<StatusBody>('/status')).cores }),
    remarks,
  };
}

function variantOf({ name, variants }: EndpointBody, requested: string | undefined): VariantBody {
  const found = requested === undefined ? undefined : variants.find((other) => sameName(other.name, requested));
  const [only, ...others] = variants;
  if (found !== undefined) return found;
  const names = variants.map((variant) => variant.name).join(', ');
  if (requested !== undefined) throw new CliError(`endpoint ${name} has no variant ${shellQuoted(requested)}: expected one of ${names}`);
  if (only !== undefined && others.length === 0) return only;
  throw new CliError(`endpoint ${name} has several variants: choose one with --variant: ${names}`, 2);
}

/** Arrivals before the replayed span, in slots of the forecaster's length. */
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

/** The durations of the variant's latest starts. */
async function startsOf(
  client: Client,
  { name }: EndpointBody,
  { name: variant, instance_type: type, environments, scaling }: VariantBody,
) {
  const query = { kind: 'scaling', limit: '100' };
  const decided =
    scaling === null ? [] : (await client.get<PageBody<ScalingDecisionBody>>(`/endpoints/${pathSegment(name)}/decisions`, { query })).items;
  const leadS = decided.find(({ variant: of, inputs }) => of === variant && inputs !== null)?.inputs?.types[type]?.lead_s;
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

function remarksOf(name: string, sinceMs: number, { span, gaps }: LoadRecording): string[] {
  const remarks: string[] = [];
  if (span.fromMs - sinceMs > minuteMs)
    remarks.push(
      `the recording of ${name} begins at ${utcText(new Date(span.fromMs).toISOString())}: ` +
        `it covers ${durationText((span.toMs - span.fromMs) / 1000)} instead of ${durationText((span.toMs - sinceMs) / 1000)}`,
    );
  if (gaps.length === 0) return remarks;
  const [longest] = gaps.toSorted((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs));
  const missingMs = gaps.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  const [from, to] = [longest?.fromMs ?? 0, longest?.toMs ?? 0].map((ms) => timeText(new Date(ms).toISOString()));
  remarks.push(
    `${countText(gaps.length, 'gap')} of ${durationText(missingMs / 1000)}${gaps.length > 1 ? ' in total' : ''}, during which no server was recording, ` +
      `${gaps.length > 1 ? 'are' : 'is'} skipped: the load continues directly after each (longest: ${from} to ${to} UTC)`,
  );
  return remarks;
}

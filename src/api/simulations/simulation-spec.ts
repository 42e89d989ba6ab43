/** Builds the spec of a simulation from the request and the server's loads, profiles, prices and deployments. */

import type { z } from 'zod';
import { formatPolicy, parsePolicies, policyInputsOf, slotMsFor } from '../../autoscaling/index.ts';
import { inPlaceBytesMax } from '../../codecs/index.ts';
import type { VariantConfig } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { sameName } from '../../names.ts';
import { formatObjective, parseObjective } from '../../objective.ts';
import {
  type DeployedPolicy,
  deployedPolicy,
  expectedRequests,
  infeasibleTypes,
  inSlots,
  type Load,
  loadOfRecording,
  loadOfTrace,
  overflowMemoryMiB,
  parseLoadTask,
  parseTrace,
  parseTraceTask,
  profileOfDocument,
  referenceSimulated,
  type SimulatedProfile,
  type SimulationSpec,
  type Trace,
  withObservedStarts,
} from '../../simulation/index.ts';
import { versionProfileOf } from '../models/profiles.ts';
import { isoTime } from '../routing/parameters.ts';
import type { ApiServices } from '../routing/services.ts';
import type { SimulationBody, simulationInput } from './simulation-bodies.ts';

/** What these routes need of the server. */
type Services = Pick<
  ApiServices,
  | 'arrivals'
  | 'clock'
  | 'decisions'
  | 'deployments'
  | 'functionProfiles'
  | 'prices'
  | 'profiles'
  | 'registry'
  | 'server'
  | 'serving'
  | 'tables'
  | 'threads'
>;

/** The parts of the response that are known before the simulation runs. */
export interface SimulationFacts extends Pick<SimulationBody, 'objective' | 'profile' | 'assumed' | 'notes'> {
  readonly load: Omit<SimulationBody['load'], 'requests'>;
}

type Input = z.output<typeof simulationInput>;
type Recorded = Extract<Input['load'], { kind: 'recorded' }>;

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** The longest history that a forecaster uses. */
const historyMs = 8 * dayMs;
/** Each policy takes about one second per 100,000 requests. */
const requestsMax = 20_000_000;
const objectiveDefault = 'p99.8<=500ms';
const [loadSeed, serviceSeed] = [7, 11];

/** Throws `invalid_request`, `not_found`, and `wrong_state` if nothing was recorded or measured. */
export async function simulationSpecOf(input: Input, services: Services): Promise<{ orders: SimulationSpec[]; facts: SimulationFacts }> {
  const played =
    input.load.kind === 'recorded' ? await playRecorded(input.load, input, services) : await playSynthetic(input.load, input, services);
  const { load, profile, deployed } = played;
  const requests = expectedRequests(load);
  if (requests > requestsMax) {
    throw new PlatformError(
      'too_large',
      `expected at most ${requestsMax} requests, got about ${Math.round(requests)}: use a part of the load or a smaller scale`,
    );
  }
  const objective =
    input.objective === undefined ? (played.objective ?? parseObjective(objectiveDefault)) : parseObjective(input.objective);
  const [first] = profile.types;
  const types = input.types ?? played.types ?? (first === undefined ? [] : [first.name]);
  const memoryMiB = input.memory_mib ?? played.memoryMiB ?? overflowMemoryMiB(profile, objective);
  const common: Omit<SimulationSpec, 'policy'> = {
    load,
    profile,
    objective,
    types,
    memoryMiB,
    leadMs: input.lead_s === undefined ? null : input.lead_s * 1000,
    instancesMax: input.instances_max,
    seed: input.seed,
    serviceSeed,
    faults: { launchFailureShare: 0, interruptionsPerHour: 0 },
    isCorrecting: true,
    choosesFunctions: input.load.kind === 'recorded',
    ...(played.from === null ? {} : { beginsAtMs: Date.parse(played.from) }),
  };
  const notes = [...played.notes, ...infeasibleTypes(profile, types, objective)];
  const orders = parsePolicies(input.policies).map((policy) => ({ ...common, policy: formatPolicy(policy) }));
  return {
    orders: deployed === null ? orders : [{ ...common, ...deployed }, ...orders],
    facts: {
      load: { name: load.name, kind: input.load.kind, endpoint: played.endpoint, from: played.from, duration_s: load.durationMs / 1000 },
      objective: formatObjective(objective),
      profile: profile.name,
      assumed: {
        types: profile.types
          .filter(({ name }) => types.some((type) => type.split(':')[0] === name))
          .map(({ name, usdPerHour, leadMs }) => ({
            name,
            usd_per_hour: usdPerHour,
            lead_s: input.lead_s ?? (leadMs === null ? null : leadMs / 1000),
          })),
        memory_mib: memoryMiB,
        usd_per_gb_second: profile.functionPrices.usdPerGbSecond,
        prices_as_of: services.prices.asOf,
        seed: input.seed,
      },
      notes,
    },
  };
}

interface SimulatedLoad {
  readonly load: Load;
  readonly profile: SimulatedProfile;
  readonly objective: ReturnType<typeof parseObjective> | null;
  readonly deployed: DeployedPolicy | null;
  readonly types: readonly string[] | null;
  readonly memoryMiB: number | null;
  readonly endpoint: string | null;
  readonly from: string | null;
  readonly notes: readonly string[];
}

async function playSynthetic(load: Exclude<Input['load'], Recorded>, input: Input, services: Services): Promise<SimulatedLoad> {
  const part = { slotMs: load.slot_s * 1000, slots: load.slots ?? null };
  const made =
    load.kind === 'trace'
      ? loadOfTrace(load.name, await traceOf(load, services), { ...part, from: load.from }, load.scale)
      : await services.threads.run(
          parseLoadTask,
          { text: load.text, part: { ...part, from: 0, loadSeed } },
          { bytes: load.text.length, lane: 'background' },
        );
  const profile = await profileNamed(input.profile ?? 'reference', services);
  return { load: made, profile, objective: null, deployed: null, types: null, memoryMiB: null, endpoint: null, from: null, notes: [] };
}

/** A long trace is parsed in a thread. */
async function traceOf(
  { text, name }: { readonly text: string; readonly name: string },
  { threads }: Pick<ApiServices, 'threads'>,
): Promise<Trace> {
  if (text.length <= inPlaceBytesMax) return parseTrace(text, name);
  return threads.run(parseTraceTask, { text, file: name }, { bytes: text.length, lane: 'background' });
}

/** The recorded load of an endpoint and its current configuration. */
async function playRecorded(recordedInput: Recorded, input: Input, services: Services): Promise<SimulatedLoad> {
  const { deployments, clock } = services;
  const view = deployments.get(recordedInput.endpoint);
  const { name: endpoint, objective } = view.config;
  const variant = variantOf(endpoint, view.config.variants, recordedInput.variant);
  const served = services.serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant.name);
  const profile = await profileFor(input.profile, { endpoint, variant, coldMs: served?.functions?.coldStartMs ?? null }, services);
  const toMs = clock.wallMs();
  const load = await loadRecorded(
    { endpoint, variant: variant.name, fromMs: toMs - recordedInput.since_s * 1000, toMs },
    { input, recordedInput, profile },
    services,
  );
  const setting = served?.functions?.setting ?? null;
  const wanted = view.variants.find(({ name }) => name === variant.name)?.wanted ?? variant.instanceCount;
  const { scaling = null, functions } = variant;
  const deployed = deployedPolicy({ scaling, functions: functions ?? null, wanted, setting }, { profile, cores: services.server.cores });
  const isMeasured = profile.types.some(({ name }) => name === variant.instanceType);
  const [first] = profile.types;
  const types = isMeasured ? [variant.instanceType] : first === undefined ? null : [first.name];
  const isGuessed = !isMeasured && first !== undefined && wanted > 0;
  const notes = isGuessed ? [`${profile.name} is not measured on ${variant.instanceType}: ${first.name} is used instead`] : [];
  const memoryMiB = profile.functions.some((size) => size.memoryMiB === setting?.memoryMiB) ? (setting?.memoryMiB ?? null) : null;
  return { ...load, profile, objective, deployed, types, memoryMiB, endpoint, notes: [...load.notes, ...notes] };
}

function variantOf(endpoint: string, variants: readonly VariantConfig[], requested: string | undefined): VariantConfig {
  const names = variants.map(({ name }) => name).join(', ');
  if (requested === undefined && variants.length > 1) {
    throw new PlatformError('invalid_request', `endpoint ${endpoint} has several variants: set variant to one of ${names}`);
  }
  const found = requested === undefined ? variants[0] : variants.find(({ name }) => sameName(name, requested));
  if (found !== undefined) return found;
  throw new PlatformError('not_found', `endpoint ${endpoint} has no variant ${requested}: it has ${names}`);
}

async function loadRecorded(
  { endpoint, variant, fromMs, toMs }: { endpoint: string; variant: string; fromMs: number; toMs: number },
  { input, recordedInput, profile }: { input: Input; recordedInput: Recorded; profile: SimulatedProfile },
  { arrivals }: Pick<ApiServices, 'arrivals'>,
): Promise<Pick<SimulatedLoad, 'load' | 'from' | 'notes'>> {
  const leadMs = input.lead_s === undefined ? (profile.types[0]?.leadMs ?? 0) : input.lead_s * 1000;
  // Short recordings are replayed by the second, as in `penstock simulate --replay`; long ones by the minute.
  const slotMs = toMs - fromMs <= dayMs ? 1000 : minuteMs;
  const firstMs = Math.max(fromMs, (await arrivals.firstMs(endpoint)) ?? fromMs);
  const counted = await arrivals.list({ endpoint, variant, fromMs: Math.min(firstMs, toMs - slotMs), toMs, slotMs });
  const endMs = Math.floor(counted.fromMs / minuteMs) * minuteMs;
  const forecastSlotMs = slotMsFor(leadMs);
  const before = await arrivals.list({
    endpoint,
    variant,
    fromMs: endMs - (forecastSlotMs < minuteMs ? dayMs : historyMs),
    toMs: endMs,
    slotMs: minuteMs,
  });
  const history = before.requests.length === 0 ? null : inSlots({ ...before, slotMs: minuteMs }, forecastSlotMs);
  const recording = loadOfRecording(endpoint, { ...counted, slotMs }, history, recordedInput.scale);
  if (recording === null || recording.requests === 0) {
    const what = recording === null ? 'no recording exists for' : 'no requests were recorded for';
    throw new PlatformError(
      'wrong_state',
      `${what} ${endpoint} since ${isoTime(fromMs)}: send requests and try again, or set a longer since_s`,
    );
  }
  const { span, gaps } = recording;
  const gapMs = gaps.reduce((sum, gap) => sum + gap.toMs - gap.fromMs, 0);
  const note = `${Math.round(gapMs / 1000)} s without a running server are left out: the load before and after is replayed back to back`;
  return { load: recording.load, from: isoTime(span.fromMs), notes: gapMs === 0 ? [] : [note] };
}

/** The requested profile; by default the deployed version's, with service times and start times observed in production. */
async function profileFor(
  requested: string | undefined,
  { endpoint, variant, coldMs }: { readonly endpoint: string; readonly variant: VariantConfig; readonly coldMs: number | null },
  services: Services,
): Promise<SimulatedProfile> {
  if (requested !== undefined) return profileNamed(requested, services);
  const leadMs = await observedLeadMs(services, endpoint, variant);
  return withObservedStarts(await profileNamed(`${variant.group}/${variant.version}`, services, true), { leadMs, coldMs });
}

/** Start time of its instances in the last scaling decision; null without scaling decisions. */
async function observedLeadMs(
  { decisions }: Pick<ApiServices, 'decisions'>,
  endpoint: string,
  { name, instanceType }: VariantConfig,
): Promise<number | null> {
  const decided = await decisions.list({ endpoint, kind: 'scaling', limit: 100 });
  const last = decided.find((each) => each.variant === name && policyInputsOf(each) !== null);
  return last === undefined ? null : (policyInputsOf(last)?.types[instanceType]?.leadMs ?? null);
}

/** `isServed`: prefer service times observed in production. Throws `wrong_state` if nothing is measured. */
async function profileNamed(name: string, services: Services, isServed = false): Promise<SimulatedProfile> {
  if (name === 'reference') return referenceSimulated();
  const version = await services.registry.resolve(name);
  const known = await versionProfileOf(services, version);
  if (known.items.length + (isServed ? known.served.length : 0) > 0)
    return profileOfDocument(version.name, known, services.prices, isServed);
  throw new PlatformError('wrong_state', `${version.name} is not measured yet: try again in a moment, or measure it with POST …/profile`);
}

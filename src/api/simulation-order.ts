/** What a simulation is to be, from what was asked for and what the server knows: loads, profiles, prices, how an endpoint is served. */
import type { z } from 'zod';
import { formatPolicy, parsePolicies, type ScalingInputs, slotMsFor } from '../autoscaling/index.ts';
import type { VariantConfig } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { formatObjective, parseObjective } from '../objective.ts';
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
  parseLoad,
  parseTrace,
  profileOfKnown,
  referenceSimulated,
  type SimulatedProfile,
  type SimulationOrder,
  withStarts,
} from '../simulation/index.ts';
import { timeOf } from './parameters.ts';
import { knownProfileOf } from './profiles.ts';
import type { ApiServices } from './services.ts';
import type { SimulationBody, simulationInput } from './simulation-bodies.ts';

export interface SimulationFacts extends Pick<SimulationBody, 'objective' | 'profile' | 'assumed' | 'notes'> {
  readonly load: Omit<SimulationBody['load'], 'requests'>;
}

type Input = z.output<typeof simulationInput>;
type Recorded = Extract<Input['load'], { kind: 'recorded' }>;

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** As far back as a forecaster looks. */
const historyMs = 8 * dayMs;
/** Each policy takes about a second for 100,000 of them. */
const requestsMax = 20_000_000;
const objectiveDefault = 'p99.8<=500ms';
const [loadSeed, serviceSeed] = [7, 11];

/** Throws `invalid_request`, `not_found`, and `wrong_state` where nothing was recorded or measured. */
export async function simulationOf(input: Input, services: ApiServices): Promise<{ orders: SimulationOrder[]; facts: SimulationFacts }> {
  const played =
    input.load.kind === 'recorded' ? await recordedOf(input.load, input, services) : await givenOf(input.load, input, services);
  const { load, profile, deployed } = played;
  const requests = expectedRequests(load);
  if (requests > requestsMax) {
    throw new PlatformError(
      'too_large',
      `expected at most ${requestsMax} requests, got about ${Math.round(requests)}: take a part of the load, or a smaller scale`,
    );
  }
  const objective =
    input.objective === undefined ? (played.objective ?? parseObjective(objectiveDefault)) : parseObjective(input.objective);
  const [first] = profile.types;
  const types = input.types ?? played.types ?? (first === undefined ? [] : [first.name]);
  const memoryMiB = input.memory_mib ?? played.memoryMiB ?? overflowMemoryMiB(profile, objective);
  const common: Omit<SimulationOrder, 'policy'> = {
    load,
    profile,
    objective,
    types,
    memoryMiB,
    leadMs: input.lead_s === undefined ? null : input.lead_s * 1000,
    instancesMax: input.instances_max,
    seed: input.seed,
    serviceSeed,
    misfortune: { launchFailureShare: 0, interruptionsPerHour: 0 },
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

interface Played {
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

async function givenOf(load: Exclude<Input['load'], Recorded>, input: Input, services: ApiServices): Promise<Played> {
  const part = { slotMs: load.slot_s * 1000, slots: load.slots ?? null };
  const made =
    load.kind === 'trace'
      ? loadOfTrace(load.name, parseTrace(load.text, load.name), { ...part, from: load.from }, load.scale)
      : parseLoad(load.text, { ...part, from: 0, loadSeed });
  const profile = await profileNamed(input.profile ?? 'reference', services);
  return { load: made, profile, objective: null, deployed: null, types: null, memoryMiB: null, endpoint: null, from: null, notes: [] };
}

/** What came to an endpoint, with how it is served today. */
async function recordedOf(wish: Recorded, input: Input, services: ApiServices): Promise<Played> {
  const { deployments, clock } = services;
  const view = deployments.get(wish.endpoint);
  const { name: endpoint, objective } = view.config;
  const variant = variantOf(endpoint, view.config.variants, wish.variant);
  const served = services.serving.endpoint(endpoint)?.variants.find(({ name }) => name === variant.name);
  const profile = await profileFor(input.profile, { endpoint, variant, coldMs: served?.functions?.coldStartMs ?? null }, services);
  const toMs = clock.wallMs();
  const load = await loadRecorded(
    { endpoint, variant: variant.name, fromMs: toMs - wish.since_s * 1000, toMs },
    { input, wish, profile },
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
  const notes = isGuessed ? [`${profile.name} is not measured on ${variant.instanceType}: taken to be as on ${first.name}`] : [];
  const memoryMiB = profile.functions.some((size) => size.memoryMiB === setting?.memoryMiB) ? (setting?.memoryMiB ?? null) : null;
  return { ...load, profile, objective, deployed, types, memoryMiB, endpoint, notes: [...load.notes, ...notes] };
}

function variantOf(endpoint: string, variants: readonly VariantConfig[], wished: string | undefined): VariantConfig {
  const names = variants.map(({ name }) => name).join(', ');
  if (wished === undefined && variants.length > 1) {
    throw new PlatformError('invalid_request', `endpoint ${endpoint} has several variants: name one of ${names}`);
  }
  const found = wished === undefined ? variants[0] : variants.find(({ name }) => name.toLowerCase() === wished.toLowerCase());
  if (found !== undefined) return found;
  throw new PlatformError('not_found', `endpoint ${endpoint} has no variant ${wished}: it has ${names}`);
}

async function loadRecorded(
  { endpoint, variant, fromMs, toMs }: { endpoint: string; variant: string; fromMs: number; toMs: number },
  { input, wish, profile }: { input: Input; wish: Recorded; profile: SimulatedProfile },
  { arrivals }: ApiServices,
): Promise<Pick<Played, 'load' | 'from' | 'notes'>> {
  const leadMs = input.lead_s === undefined ? (profile.types[0]?.leadMs ?? 0) : input.lead_s * 1000;
  // By the second where it is short, as `penstock simulate --replay`; a long one by the minute.
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
  const recording = loadOfRecording(endpoint, { ...counted, slotMs }, history, wish.scale);
  if (recording === null || recording.requests === 0) {
    const what = recording === null ? 'nothing is recorded of' : 'nobody came to';
    throw new PlatformError(
      'wrong_state',
      `${what} ${endpoint} since ${timeOf(fromMs)}: send requests, and ask again, or take a longer time`,
    );
  }
  const { span, gaps } = recording;
  const goneMs = gaps.reduce((sum, gap) => sum + gap.toMs - gap.fromMs, 0);
  const left = `${Math.round(goneMs / 1000)} s in which no server counted are left out: what came before and after is replayed as if it met`;
  return { load: recording.load, from: timeOf(span.fromMs), notes: goneMs === 0 ? [] : [left] };
}

/** Of what is deployed: unless another is asked for as it was while serving, and its functions with starts as they were. */
async function profileFor(
  asked: string | undefined,
  { endpoint, variant, coldMs }: { readonly endpoint: string; readonly variant: VariantConfig; readonly coldMs: number | null },
  services: ApiServices,
): Promise<SimulatedProfile> {
  if (asked !== undefined) return profileNamed(asked, services);
  const leadMs = await leadSeen(services, endpoint, variant);
  return withStarts(await profileNamed(`${variant.group}/${variant.version}`, services, true), { leadMs, coldMs });
}

/** How long its instances took to start, as its last scaling decision had it; null where nothing decides. */
async function leadSeen({ decisions }: ApiServices, endpoint: string, { name, instanceType }: VariantConfig): Promise<number | null> {
  const decided = await decisions.list({ endpoint, kind: 'scaling', limit: 100 });
  const last = decided.find(({ variant }) => variant === name);
  return (last?.inputs as ScalingInputs | undefined)?.types[instanceType]?.leadMs ?? null;
}

/** `isServed`: as it was while serving, where that is known. Throws `wrong_state` where nothing is. */
async function profileNamed(name: string, services: ApiServices, isServed = false): Promise<SimulatedProfile> {
  if (name === 'reference') return referenceSimulated();
  const version = await services.registry.resolve(name);
  const known = await knownProfileOf(services, version);
  if (known.items.length + (isServed ? known.served.length : 0) > 0) return profileOfKnown(version.name, known, services.prices, isServed);
  throw new PlatformError(
    'wrong_state',
    `${version.name} is not measured yet: ask again in a moment, or have it measured (POST …/profile)`,
  );
}

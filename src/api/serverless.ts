/** Serverless variants as the API takes and shows them. */
import { z } from 'zod';
import { type BatchPolicy, type FunctionsConfig, functionsDefault, type VariantConfig } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { FunctionProfiles } from '../profiling/index.ts';
import type { ServedVariant } from '../serving/index.ts';

const batchings = ['slack', 'batch', 'batch-paper', 'fixed', 'none'] as const;

const memory = z
  .union([z.literal('auto'), z.number()])
  .describe('MiB of one environment, which also decide its share of a processor and its price; auto leaves them to Penstock.');
const maxConcurrency = z.number().describe('So many environments at most; each runs one batch at a time.');
const provisioned = z.number().describe('So many environments are always kept warm; 0 lets it go down to none.');
const keepAliveMs = z.number().describe('An idle environment beyond those provisioned is ended after so long.');
const batching = z
  .enum(batchings)
  .describe(
    'How long a batch waits for company. slack: until its most urgent request would come too late; batch, batch-paper: as ' +
      'chosen from the arrivals, by the objective; fixed: until it has batch_size_max rows or its first has waited wait_ms_max; none: not at all.',
  );

const usdPerHourMax = z
  .number()
  .nullable()
  .describe('Beside instances: what functions may cost within an hour. Once that is spent, requests wait for instances; null: no limit.');

/** Functions of a variant, alone or beside its instances; everything has a default. */
export const functionsInput = z.strictObject({
  memory_mib: memory.default(functionsDefault.memoryMiB),
  max_concurrency: maxConcurrency.default(functionsDefault.maxConcurrency),
  provisioned: provisioned.default(functionsDefault.provisioned),
  keep_alive_ms: keepAliveMs.default(functionsDefault.keepAliveMs),
  batching: batching.default('slack'),
  batch_size_max: z.number().optional().describe('Rows of a full batch, for fixed batching alone.'),
  wait_ms_max: z.number().optional().describe('How long the first request of a batch waits, for fixed batching alone.'),
  usd_per_hour_max: usdPerHourMax.default(null),
});

export const functionsBody = z.strictObject({
  memory_mib: memory,
  max_concurrency: maxConcurrency,
  provisioned,
  keep_alive_ms: keepAliveMs,
  batching,
  batch_size_max: z.number().optional(),
  wait_ms_max: z.number().optional(),
  usd_per_hour_max: usdPerHourMax.optional(),
});

export const overflowBody = z.strictObject({
  share: z.number().describe('Of the requests answered since the server started, the share that functions answered.'),
  shut_reason: z.string().nullable().describe('Why functions take nothing at present; null where they do.'),
});

export const functionSettingBody = z.strictObject({
  memory_mib: z.number().describe('Of the environments that are started now.'),
  batch_size_max: z.number().describe('A batch leaves at the latest when it has so many rows.'),
  wait_ms_max: z.number().nullable().describe('And when its first request has waited so long; null where its deadlines decide.'),
  decision_id: z.string().nullable().describe('The decision that chose it; null for what holds until the first.'),
});

export const environmentsBody = z.strictObject({
  starting: z.number(),
  idle: z.number(),
  busy: z.number(),
  cold_start_ms: z
    .number()
    .nullable()
    .describe('The median of the last starts, from the need to the first request; null before the first.'),
});

type FunctionsBody = z.infer<typeof functionsBody>;

/** The numbers themselves are for deployment to check. Throws `invalid_request` for fields that only fixed batching has. */
export function functionsOf(input: z.output<typeof functionsInput>): FunctionsConfig {
  const { memory_mib: memoryMiB, max_concurrency: maximum, provisioned: warm, keep_alive_ms: keep, usd_per_hour_max: budget } = input;
  const budgeted = budget === null ? {} : { usdPerHourMax: budget };
  return { memoryMiB, maxConcurrency: maximum, provisioned: warm, keepAliveMs: keep, batching: policyOf(input), ...budgeted };
}

function policyOf(input: z.output<typeof functionsInput>): BatchPolicy {
  const { batching: kind, batch_size_max: batchSizeMax, wait_ms_max: waitMsMax } = input;
  // What is missing is told by deployment, in the words of every door.
  if (kind === 'fixed') return { kind, batchSizeMax: batchSizeMax ?? Number.NaN, waitMsMax: waitMsMax ?? Number.NaN };
  if (batchSizeMax === undefined && waitMsMax === undefined) return { kind };
  const [name] = batchSizeMax === undefined ? ['wait_ms_max'] : ['batch_size_max'];
  throw new PlatformError('invalid_request', `${name} is for fixed batching, and batching is '${kind}': leave it out, or ask for fixed`);
}

export function functionsBodyOf({
  memoryMiB,
  maxConcurrency: maximum,
  provisioned: warm,
  keepAliveMs: keep,
  batching: policy,
  usdPerHourMax: budget = null,
}: FunctionsConfig): FunctionsBody {
  const fixed = policy.kind === 'fixed' ? { batch_size_max: policy.batchSizeMax, wait_ms_max: policy.waitMsMax } : {};
  const asked = { memory_mib: memoryMiB, max_concurrency: maximum, provisioned: warm, keep_alive_ms: keep, batching: policy.kind };
  return { ...asked, ...fixed, ...(budget === null ? {} : { usd_per_hour_max: budget }) };
}

/** Throws `invalid_request` where a memory size is asked for that is known to be too small for the model of its variant. */
export async function checkMemory(profiles: Pick<FunctionProfiles, 'of'>, variants: readonly VariantConfig[]): Promise<void> {
  for (const { name, group, version, functions } of variants) {
    if (functions === undefined || functions.memoryMiB === 'auto') continue;
    const sizes = await profiles.of({ group, version });
    const wanted = sizes.find(({ memoryMiB }) => memoryMiB === functions.memoryMiB);
    if (wanted === undefined || wanted.fits) continue;
    const fitting = sizes.filter(({ fits }) => fits).map(({ memoryMiB }) => memoryMiB);
    const needs = `${group}/${version} needs ${Math.ceil(wanted.peakMemoryMiB)} MiB for a single row`;
    const cure = fitting.length === 0 ? 'no size is large enough, give it instances' : `choose auto or one of ${fitting.join(', ')}`;
    throw new PlatformError('invalid_request', `variant ${name}: ${needs}, and its functions would have ${wanted.memoryMiB} MiB: ${cure}`);
  }
}

/** What is there now of functions; nothing where instances alone run the variant, or nothing serves it. */
export function functionsNow(served: ServedVariant | undefined) {
  const now = served?.functions ?? null;
  if (served === undefined || now === null) return { setting: null, environments: null, overflow: null };
  const { overflow } = served;
  const { memoryMiB, batchSizeMax, waitMsMax, decisionId } = now.setting;
  return {
    setting: { memory_mib: memoryMiB, batch_size_max: batchSizeMax, wait_ms_max: waitMsMax, decision_id: decisionId },
    environments: { ...now.environments, cold_start_ms: now.coldStartMs },
    overflow: overflow === null ? null : { share: overflow.share, shut_reason: overflow.shutReason },
  };
}

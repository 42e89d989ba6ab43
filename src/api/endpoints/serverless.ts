/** Request and response bodies of a variant's functions. */
import { z } from 'zod';
import { defined } from '../../defined.ts';
import type { FunctionsChange, FunctionsConfig, VariantConfig } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { bodyOfFields, changesOf, functionsFields } from '../../fields/index.ts';
import type { FunctionProfiles } from '../../profiling/index.ts';
import type { ServedVariant } from '../../serving/index.ts';
import { bodyShape, inputShape } from '../routing/field-schemas.ts';

/** Functions of a variant, alone or together with instances. Omitted members have their default in a new variant and keep their value in an existing one. */
export const functionsInput = z.strictObject(inputShape(functionsFields));
export const functionsBody = z.strictObject(bodyShape(functionsFields, undefined));

export const overflowBody = z.strictObject({
  share: z.number().describe('Share of the requests answered by functions since the server started.'),
  shut_reason: z.string().nullable().describe('Why functions currently take no overflow; null if they do.'),
});

export const functionSettingBody = z.strictObject({
  memory_mib: z.number().describe('Memory of newly started execution environments.'),
  batch_size_max: z.number().describe('A batch is dispatched at the latest with this many rows.'),
  wait_ms_max: z
    .number()
    .nullable()
    .describe('A batch is dispatched at the latest when its first request has waited this long; null: deadlines decide.'),
  decision_id: z.string().nullable().describe('The decision that chose this setting; null for the initial setting.'),
});

export const environmentsBody = z.strictObject({
  starting: z.number(),
  idle: z.number(),
  busy: z.number(),
  cold_start_ms: z
    .number()
    .nullable()
    .describe('Median of recent cold starts, from the demand to the first request; null before the first.'),
});

/** Only the members present in the body; `deployment` validates the numbers. Throws `invalid_request` for members that only fixed batching has. */
export function functionsOf(input: z.output<typeof functionsInput>): FunctionsChange {
  const { batching: _kind, batchSizeMax: _rows, waitMsMax: _wait, ...others } = changesOf(functionsFields, input);
  return { ...others, ...defined({ batching: batchingOf(input) }) };
}

function batchingOf(input: z.output<typeof functionsInput>): FunctionsChange['batching'] {
  const { batching: kind } = input;
  const [batchSizeMax, waitMsMax] = [input.batch_size_max ?? undefined, input.wait_ms_max ?? undefined];
  // A missing number is reported by `deployment`, with the same message for every API.
  if (kind === 'fixed') return { kind, batchSizeMax: batchSizeMax ?? Number.NaN, waitMsMax: waitMsMax ?? Number.NaN };
  if (batchSizeMax === undefined && waitMsMax === undefined) return kind === undefined ? undefined : { kind };
  if (kind === undefined) return defined({ batchSizeMax, waitMsMax });
  const name = batchSizeMax === undefined ? 'wait_ms_max' : 'batch_size_max';
  throw new PlatformError(
    'invalid_request',
    `${name} is only for fixed batching, got batching '${kind}': leave it out, or set batching to fixed`,
  );
}

export function functionsBodyOf({ batching: { kind, ...limits }, ...others }: FunctionsConfig): z.infer<typeof functionsBody> {
  return bodyOfFields(functionsFields, { ...others, batching: kind, ...limits });
}

/** Throws `invalid_request` if a requested memory size is known to be too small for the model of its variant. */
export async function checkMemory(profiles: Pick<FunctionProfiles, 'of'>, variants: readonly VariantConfig[]): Promise<void> {
  for (const { name, group, version, functions } of variants) {
    if (functions === undefined || functions.memoryMiB === 'auto') continue;
    const sizes = await profiles.of({ group, version });
    const wanted = sizes.find(({ memoryMiB }) => memoryMiB === functions.memoryMiB);
    if (wanted === undefined || wanted.fits) continue;
    const fitting = sizes.filter(({ fits }) => fits).map(({ memoryMiB }) => memoryMiB);
    const required = `${group}/${version} needs ${Math.ceil(wanted.peakMemoryMiB)} MiB for a single row`;
    const cure = fitting.length === 0 ? 'no size is large enough, use instances' : `choose auto or one of ${fitting.join(', ')}`;
    throw new PlatformError(
      'invalid_request',
      `variant ${name}: ${required}, but its functions would have ${wanted.memoryMiB} MiB: ${cure}`,
    );
  }
}

/** The current state of functions; all null if the variant has none or is not served. */
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

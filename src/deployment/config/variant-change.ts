/** A change of some members of a variant. The others stay, whichever API set them. Pure. */
import { defined } from '../../defined.ts';
import { PlatformError } from '../../errors.ts';
import {
  captureFields,
  endpointFields,
  type FieldChanges,
  functionsFields,
  instanceTypeDefault,
  merged,
  scalingFields,
  type VariantSettingChanges,
  variantFields,
} from '../../fields/index.ts';
import { nameKey } from '../../names.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import { type BatchPolicy, type FunctionsConfig, functionsDefault } from './functions-config.ts';
import type { LadderConfig } from './ladder-config.ts';
import type { ScalingConfig } from './scaling-config.ts';
import type { ScheduledFloor } from './scheduled-floor.ts';

/** An omitted member stays; null removes it. An instance count of 0 makes the variant serverless. */
export interface VariantChange extends VariantSettingChanges {
  readonly name: string;
  /** Required for a new variant. */
  readonly model?: { readonly group: string; readonly version: number };
  readonly isShadow?: boolean;
  readonly functions?: FunctionsChange | null;
  readonly scaling?: ScalingChange | null;
  /** The plans of a selection. Another model without plans removes them. */
  readonly ladder?: LadderConfig;
}

/** Members that are absent stay; null removes an optional one. */
export type ScalingChange = Omit<FieldChanges<typeof scalingFields>, 'floors'> & {
  readonly floors?: readonly ScheduledFloor[] | null | undefined;
};

/** Members that are absent stay. A kind of batching replaces the previous one as a whole. */
export interface FunctionsChange extends Omit<FieldChanges<typeof functionsFields>, 'batching' | 'batchSizeMax' | 'waitMsMax'> {
  /** Without a kind: changes the rows or the wait of the existing fixed batching. */
  readonly batching?: BatchPolicy | FixedBatchingChange;
}

interface FixedBatchingChange {
  readonly kind?: undefined;
  readonly batchSizeMax?: number;
  readonly waitMsMax?: number;
}

/**
 * Applies `changes`, one per variant. A variant that is not listed is removed.
 * Throws `invalid_request` if a new variant has no model, or if rows or a wait are set without fixed batching.
 */
export function mergeVariants(before: readonly VariantConfig[], changes: readonly VariantChange[]): VariantConfig[] {
  return changes.map((change) => {
    const existing = before.find(({ name }) => nameKey(name) === nameKey(change.name));
    return existing === undefined ? newVariant(change) : changedVariant(existing, change);
  });
}

/** A new variant; omitted members get their defaults. Throws like `mergeVariants`. */
export function newVariant(change: VariantChange): VariantConfig {
  const { name, model } = change;
  if (model === undefined) {
    throw invalid(`variant ${name} does not exist yet: expected its model, got none. Give it a model, or check the variant's name.`);
  }
  const functions = functionsOf(undefined, change);
  const scaling = scalingOf(undefined, change, functions === undefined ? 1 : 0);
  const leastCount = scaling === undefined ? (functions === undefined ? 1 : 0) : Math.max(1, scaling.instancesMin);
  const settings = merged(variantFields, undefined, { ...change, instanceCount: change.instanceCount ?? leastCount });
  return defined({
    name,
    ...model,
    ...settings,
    isShadow: change.isShadow === true ? true : undefined,
    functions,
    scaling,
    ladder: change.ladder,
  }) as VariantConfig;
}

function changedVariant(before: VariantConfig, change: VariantChange): VariantConfig {
  const functions = functionsOf(before.functions, change);
  const instanceCount = countOf(before, change, functions);
  const isServerless = functions !== undefined && instanceCount === 0;
  const next = merged(variantFields, before, { ...change, instanceCount, ...typeChange(change, isServerless) });
  const hasSameType = next.instanceType === before.instanceType;
  return defined({
    ...next,
    ...change.model,
    isShadow: (change.isShadow ?? before.isShadow) === true ? true : undefined,
    // The originally requested type is retained until the type changes.
    instanceTypeAsked: hasSameType ? before.instanceTypeAsked : undefined,
    functions: isServerless ? withoutBudget(functions, change) : functions,
    scaling:
      isServerless && change.scaling === undefined ? undefined : scalingOf(before.scaling, change, before.instanceCount === 0 ? 0 : 1),
    ladder: change.ladder ?? (change.model === undefined ? before.ladder : undefined),
  }) as VariantConfig;
}

/** A serverless variant that gets instances again has one, unless the change sets a number. */
function countOf(before: VariantConfig, change: VariantChange, functions: FunctionsConfig | undefined): number {
  const { instanceCount = before.instanceCount, scaling } = change;
  const requiresInstances = functions === undefined || (scaling !== undefined && scaling !== null);
  return instanceCount === 0 && change.instanceCount === undefined && requiresInstances ? 1 : instanceCount;
}

/** Functions have no instance type. */
function typeChange({ instanceType }: VariantChange, isServerless: boolean) {
  return isServerless && instanceType === undefined ? { instanceType: instanceTypeDefault } : {};
}

/** A budget limits overflow from instances. Without instances, the variant would have no executors once it is spent. */
function withoutBudget(functions: FunctionsConfig, { functions: change }: VariantChange): FunctionsConfig {
  if ((change?.usdPerHourMax ?? null) !== null) return functions;
  const { usdPerHourMax: _budget, ...others } = functions;
  return others;
}

function functionsOf(before: FunctionsConfig | undefined, { name, functions: change }: VariantChange): FunctionsConfig | undefined {
  if (change === undefined) return before;
  if (change === null) return undefined;
  const { batching, ...others } = change;
  const base = before ?? functionsDefault;
  const { batching: _kind, ...settings } = merged(functionsFields, { ...base, batching: base.batching.kind }, others);
  return { ...settings, batching: batchingOf(name, base.batching, batching) };
}

function batchingOf(variant: string, before: BatchPolicy, change: FunctionsChange['batching']): BatchPolicy {
  if (change === undefined) return before;
  if (change.kind !== undefined) return change;
  if (before.kind === 'fixed') return { ...before, ...defined(change), kind: 'fixed' };
  const member = change.batchSizeMax === undefined ? 'wait_ms_max' : 'batch_size_max';
  throw invalid(
    `variant ${variant}: ${member} is only for fixed batching, got batching '${before.kind}': leave it out, or set batching to fixed`,
  );
}

function scalingOf(
  before: ScalingConfig | undefined,
  { scaling: change }: VariantChange,
  instancesMinDefault: number,
): ScalingConfig | undefined {
  if (change === undefined) return before;
  if (change === null) return undefined;
  const { floors = before?.floors, ...others } = change;
  const { floors: _texts, ...settings } = merged(scalingFields, before && { ...before, floors: [] }, {
    ...(before === undefined ? { instancesMin: instancesMinDefault } : {}),
    ...defined(others),
  });
  return { ...settings, ...(floors === null || floors === undefined || floors.length === 0 ? {} : { floors }) };
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

/**
 * Omitted or undefined fields stay. `variants` and `capture` replace the current ones; `variantChanges` and `captureChange` merge into
 * them.
 */
export interface EndpointChange
  extends FieldChanges<typeof endpointFields>,
    Partial<Pick<EndpointConfig, 'variants' | 'objective' | 'capture'>> {
  readonly variantChanges?: readonly VariantChange[];
  readonly captureChange?: FieldChanges<typeof captureFields>;
}

/** Throws `invalid_request` for a variant that cannot be merged. */
export function changedBy(change: EndpointChange, config: EndpointConfig): EndpointConfig {
  const { variantChanges, captureChange, variants, objective, capture } = change;
  return {
    ...merged(endpointFields, config, change),
    ...defined({
      objective,
      variants: variantChanges === undefined ? variants : mergeVariants(config.variants, variantChanges),
      capture: captureChange === undefined ? capture : merged(captureFields, config.capture ?? undefined, captureChange),
    }),
  };
}

/** A change of some settings of an endpoint. Pure. */
import { defined } from '../../defined.ts';
import { captureFields, endpointFields, type FieldChanges, merged } from '../../fields/index.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import { mergeVariants, type VariantChange } from './variant-change.ts';

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

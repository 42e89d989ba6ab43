/** A variant as it is, in the form in which it is asked for: whoever changes one thing leaves the others as they are. */
import type { VariantBody } from '../../../src/api/index.ts';

export interface VariantInput {
  readonly name: string;
  readonly model: string;
  readonly weight: number;
  readonly instance_count: number;
  readonly instance_type: string;
  readonly functions: VariantBody['functions'];
  readonly scaling: VariantBody['scaling'];
  readonly start_timeout_ms?: number;
}

export function variantInputOf(variant: VariantBody): VariantInput {
  const { name, model, weight, instance_count, instance_type, functions, scaling, start_timeout_ms: timeout } = variant;
  const asked = { name, model, weight, instance_count, instance_type, functions, scaling };
  return timeout === null ? asked : { ...asked, start_timeout_ms: timeout };
}

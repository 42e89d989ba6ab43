/** Signatures as response bodies. */
import type { z } from 'zod';
import type { Signature, TensorSpec } from '../../tensor.ts';
import type { signatureBody, tensorBody } from '../bodies.ts';

export function tensorBodyOf({ columns, ...spec }: TensorSpec): z.input<typeof tensorBody> {
  return { ...spec, shape: [...spec.shape], ...(columns === undefined ? {} : { columns: [...columns] }) };
}

export function signatureBodyOf({ inputs, outputs }: Signature): z.input<typeof signatureBody> {
  return { inputs: inputs.map(tensorBodyOf), outputs: outputs.map(tensorBodyOf) };
}

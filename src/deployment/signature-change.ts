/** Whether callers of one model version can call another just as well. Pure. */

/** A model version, as the registry has it or as the API tells it. */
interface Signed {
  readonly signature: { readonly inputs: readonly Tensor[]; readonly outputs: readonly Tensor[] };
  readonly runtime: { readonly kind: string };
  readonly batchable: boolean;
}

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/**
 * What callers of `before` would stumble over with `now`; null where they would not notice. Same inputs and outputs, by name, datatype and shape but
 * for the batch dimension, where both have one or one row was all there was; more outputs are fine, and so is an input that takes any size where it took one. Nobody knows what a process takes.
 */
export function signatureChange(before: Signed, now: Signed): string | null {
  if (before.runtime.kind !== 'onnx' || now.runtime.kind !== 'onnx') return null;
  const skipped = now.batchable && (before.batchable || before.signature.inputs.every(({ shape }) => shape[0] === 1)) ? 1 : 0;
  const { inputs, outputs } = now.signature;
  for (const asked of before.signature.inputs) {
    const found = named(inputs, asked.name);
    if (found === undefined) return `it has no input ${asked.name}`;
    if (!fits(found, asked, skipped)) return `input ${asked.name} is ${said(found)}, was ${said(asked)}`;
  }
  const more = inputs.find(({ name }) => named(before.signature.inputs, name) === undefined);
  if (more !== undefined) return `it wants one more input, ${more.name} ${said(more)}`;
  for (const given of before.signature.outputs) {
    const found = named(outputs, given.name);
    if (found === undefined) return `it has no output ${given.name}`;
    if (!fits(given, found, skipped)) return `output ${given.name} is ${said(found)}, was ${said(given)}`;
  }
  return null;
}

function named(specs: readonly Tensor[], name: string): Tensor | undefined {
  return specs.find((spec) => spec.name === name);
}

/** Whether the wide one takes whatever the narrow one is. */
function fits(wide: Tensor, narrow: Tensor, skipped: number): boolean {
  if (wide.datatype !== narrow.datatype || wide.shape.length !== narrow.shape.length) return false;
  return wide.shape.every((size, index) => index < skipped || size === -1 || size === narrow.shape[index]);
}

function said({ datatype, shape }: Tensor): string {
  return `${datatype} [${shape.join(',')}]`;
}

/** Whether callers of one model version can call another without changes. */
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import type { Registry } from '../../registry/index.ts';
import type { TransactionHook } from '../transaction-hook.ts';

/** A model version, from the registry or the API. */
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
 * The first change from `before` to `now` that would break callers; null if there is none. Inputs and outputs must have the
 * same names, datatypes and shapes. The batch dimension is exempt if both versions have one, or if it replaces a single row.
 * Additional outputs are compatible, and so is an input that accepts any size instead of one. The signature of a process is
 * unknown.
 */
export function signatureChange(before: Signed, now: Signed): string | null {
  if (!hasSignature(before) || !hasSignature(now)) return null;
  const skipped = now.batchable && (before.batchable || before.signature.inputs.every(({ shape }) => shape[0] === 1)) ? 1 : 0;
  const { inputs, outputs } = now.signature;
  for (const requested of before.signature.inputs) {
    const found = named(inputs, requested.name);
    if (found === undefined) return `it has no input ${requested.name}`;
    if (!fits(found, requested, skipped)) return `input ${requested.name} is ${formatTensor(found)}, was ${formatTensor(requested)}`;
  }
  const more = inputs.find(({ name }) => named(before.signature.inputs, name) === undefined);
  if (more !== undefined) return `it requires another input, ${more.name} ${formatTensor(more)}`;
  for (const provided of before.signature.outputs) {
    const found = named(outputs, provided.name);
    if (found === undefined) return `it has no output ${provided.name}`;
    if (!fits(provided, found, skipped)) return `output ${provided.name} is ${formatTensor(found)}, was ${formatTensor(provided)}`;
  }
  return null;
}

/** A Python model of bytes has no inputs, either. */
function hasSignature({ runtime, signature }: Signed): boolean {
  return runtime.kind !== 'process' && signature.inputs.length > 0;
}

function named(specs: readonly Tensor[], name: string): Tensor | undefined {
  return specs.find((spec) => spec.name === name);
}

/** Whether `wide` accepts every tensor that `narrow` accepts. */
function fits(wide: Tensor, narrow: Tensor, skipped: number): boolean {
  if (wide.datatype !== narrow.datatype || wide.shape.length !== narrow.shape.length) return false;
  return wide.shape.every((size, index) => index < skipped || size === -1 || size === narrow.shape[index]);
}

function formatTensor({ datatype, shape }: Tensor): string {
  return `${datatype} [${shape.join(',')}]`;
}

/**
 * For `update`: a variant must be compatible with the current one of its name,
 * a new variant with the first one. Throws `wrong_state`.
 */
export function requireCompatibleSignature(registry: Pick<Registry, 'version'>): TransactionHook {
  return async (tx, { config }, before) => {
    const [first] = before?.variants ?? [];
    if (before === undefined || first === undefined) return;
    for (const variant of config.variants) {
      const old = before.variants.find(({ name }) => nameKey(name) === nameKey(variant.name)) ?? first;
      if (nameKey(old.group) === nameKey(variant.group) && old.version === variant.version) continue;
      const [was, now] = [await registry.version(old.group, old.version, tx), await registry.version(variant.group, variant.version, tx)];
      const change = signatureChange(was, now);
      if (change === null) continue;
      throw new PlatformError(
        'wrong_state',
        `the signature of ${now.name} differs from that of ${was.name}: ${change}. Callers of ${config.name} would break: deploy it under another ` +
          'name, or allow it with --allow-signature-change (natively: allow_signature_change)',
      );
    }
  };
}

/** Rejects an update that would break callers, unless the user allows it. */
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import { type Registry } from '../../registry/index.ts';
import type { TransactionHook } from '../transaction-hook.ts';
import { signatureChange } from './signature-change.ts';

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

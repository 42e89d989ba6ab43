/** Refuses an update that callers would notice, unless it is wanted. */
import { PlatformError } from '../errors.ts';
import { keyOf, type Registry } from '../registry/index.ts';
import type { KeptBeside } from './kept-beside.ts';
import { signatureChange } from './signature-change.ts';

/** For `update`: each variant takes what the one of its name took, a new one what the first did. Throws `wrong_state`. */
export function keepsSignature(registry: Pick<Registry, 'version'>): KeptBeside {
  return async (tx, { config }, before) => {
    const [first] = before?.variants ?? [];
    if (before === undefined || first === undefined) return;
    for (const variant of config.variants) {
      const old = before.variants.find(({ name }) => keyOf(name) === keyOf(variant.name)) ?? first;
      if (keyOf(old.group) === keyOf(variant.group) && old.version === variant.version) continue;
      const [was, now] = [await registry.version(old.group, old.version, tx), await registry.version(variant.group, variant.version, tx)];
      const change = signatureChange(was, now);
      if (change === null) continue;
      throw new PlatformError(
        'wrong_state',
        `${now.name} does not take and give what ${was.name} does: ${change}. Callers of ${config.name} would break: deploy it under another ` +
          'name, or allow it with --allow-signature-change (natively: allow_signature_change)',
      );
    }
  };
}

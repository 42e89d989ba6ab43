/** `penstock quickstart`, without what it runs: that is imported when it starts. */
import type { CliContext, QuickstartContext, QuickstartOptions } from '../cli-context.ts';
import { defaultDataDirectory } from '../client/address.ts';

/** Resolves to the exit code. */
export async function quickstart(options: QuickstartOptions, context: CliContext, deps: QuickstartContext): Promise<number> {
  const { runQuickstart } = await import('./quickstart-run.ts');
  return runQuickstart(options, context, deps);
}

/**
 * The data directory of a quickstart. That of root is outside of the checkout: its files would stay behind for a user who cannot delete
 * them, and workers with user ids of their own cannot reach a checkout below /root.
 */
export function quickstartDirectory(uid: number | undefined): string {
  return uid === 0 ? '/var/lib/penstock-quickstart' : `${defaultDataDirectory}/quickstart`;
}

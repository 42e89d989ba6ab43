/** `penstock quickstart`, without what it runs: that is imported when it starts. */
import type { CliContext, QuickstartContext, QuickstartOptions } from '../cli-context.ts';

/** Resolves to the exit code. */
export async function quickstart(options: QuickstartOptions, context: CliContext, deps: QuickstartContext): Promise<number> {
  const { runQuickstart } = await import('./quickstart-run.ts');
  return runQuickstart(options, context, deps);
}

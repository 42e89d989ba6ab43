/** Entry point: connects the command line with the process. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { type CliContext, quickstart, quickstartDirectory, runCli, type UpOptions } from './cli/index.ts';
import { SystemClock } from './clock.ts';
import type { Config } from './config.ts';
import { withOwnImports } from './own-imports.ts';
import type { Platform, Product } from './platform.ts';
import { servingFlags, v8Flags, youngGeneration } from './v8-flags.ts';

/** Root of the package. It contains `src` (in a checkout) or `dist` (once built), and `assets`. */
const root = join(import.meta.dirname, '..');
const product: Product = {
  version: (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
  catalogueDirectory: join(root, 'assets', 'catalogue'),
  consoleDirectory: join(root, 'console', 'dist'),
};

process.umask(0o077); // files are private to the user: a backup contains the database

const interruption = new AbortController();
let onSecondInterrupt = (): void => process.exit(1);
/** The first signal interrupts the command, so that a server drains. A second one exits at once, unless the command handles it. */
const onSignal = (): void => {
  if (!interruption.signal.aborted) return interruption.abort();
  const run = onSecondInterrupt;
  onSecondInterrupt = () => process.exit(1);
  run();
};
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// The reader closed the pipe (`penstock logs | head`).
process.stdout.on('error', () => process.exit(0));

/** Imports the server only when one is started, so that the verbs that call a server start in a fraction of the time. */
async function start(config: Config): Promise<Platform> {
  for (const flag of [...v8Flags, youngGeneration.fixed]) setFlagsFromString(flag);
  const { startPlatform } = await withOwnImports(new URL('.', import.meta.url).href, () => import('./platform.ts'));
  const onStandBy = (url: string): void => void process.stdout.write(`penstock stands by ${url}\n`);
  const platform = await startPlatform(config, product, { interrupted: interruption.signal, onStandBy });
  for (const flag of servingFlags) setFlagsFromString(flag);
  const link = platform.signInLink();
  if (link !== null) process.stderr.write(`sign in to the console, once, within 15 minutes: ${link}\n`);
  return platform;
}

async function configOf(flags: UpOptions['flags'], defaults: { readonly dataDir?: string } = {}): Promise<Config> {
  const { loadConfig } = await import('./config.ts');
  const dataDir = String(flags.dataDir ?? process.env.PENSTOCK_DATA_DIR ?? defaults.dataDir ?? './penstock-data');
  return loadConfig({ flags: { ...flags, dataDir }, env: process.env });
}

const interrupted = new Promise<void>((resolve) => interruption.signal.addEventListener('abort', () => resolve()));

const context: CliContext = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  clock: new SystemClock(),
  version: product.version,
  interrupted: interruption.signal,
  onSecondInterrupt: (run) => {
    onSecondInterrupt = run;
  },
  async up(options) {
    const config = await configOf(options.flags);
    const platform = await start(config).catch((error: unknown) => {
      // A server that stood by has ended as requested.
      if (config.node !== null && interruption.signal.aborted) return null;
      throw error;
    });
    if (platform === null) return 0;
    process.stdout.write(`penstock ready ${platform.url}\n`);
    const reason = await Promise.race([interrupted, platform.replaced]);
    if (reason !== undefined) {
      process.stderr.write(`penstock: ${reason}\n`);
      await platform.leave();
      return 1;
    }
    await platform.drain();
    await platform.close();
    return 0;
  },
  quickstart: (options) =>
    quickstart(options, context, {
      start: async (flags) => start(await configOf(flags, { dataDir: quickstartDirectory(process.getuid?.()) })),
      rowsFile: join(product.catalogueDirectory, 'digits_test.csv'),
    }),
};

process.exitCode = await runCli(process.argv.slice(2), context);
// Pipes are written asynchronously: wait for the rest, then exit even if half-closed sockets keep the process alive.
for (const output of [process.stdout, process.stderr]) await new Promise<void>((resolve) => output.write('', () => resolve()));
process.exit();

/** The program: hands the command line what it needs of the process, and the process its exit code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { type Doors, quickstart, runCli, type UpOptions } from './cli/index.ts';
import { SystemClock } from './clock.ts';
import { type Config, loadConfig } from './config.ts';
import type { Platform, Product } from './platform.ts';
import { v8Flags } from './v8-flags.ts';

/** The package: `src` in a checkout, `dist` once built, both beside `assets`. */
const root = join(import.meta.dirname, '..');
const product: Product = {
  version: (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
  catalogueDirectory: join(root, 'assets', 'catalogue'),
  consoleDirectory: join(root, 'console', 'dist'),
};

const interruption = new AbortController();
/** A second signal does not wait. */
const onSignal = (): void => {
  if (interruption.signal.aborted) process.exit(1);
  interruption.abort();
};
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// Whoever read our output has heard enough (`penstock logs | head`).
process.stdout.on('error', () => process.exit(0));

/** Loaded only by a server: the verbs that talk to one start in a fraction of the time. */
async function start(config: Config): Promise<Platform> {
  for (const flag of v8Flags) setFlagsFromString(flag);
  const { startPlatform } = await import('./platform.ts');
  const platform = await startPlatform(config, product);
  const link = platform.signInLink();
  if (link !== null) process.stderr.write(`sign in to the console, once, within 15 minutes: ${link}\n`);
  return platform;
}

function configOf(flags: UpOptions['flags'], defaults: { readonly dataDir?: string } = {}): Config {
  const dataDir = String(flags.dataDir ?? process.env.PENSTOCK_DATA_DIR ?? defaults.dataDir ?? './penstock-data');
  return loadConfig({ flags: { ...flags, dataDir }, env: process.env });
}

const interrupted = new Promise<void>((resolve) => interruption.signal.addEventListener('abort', () => resolve()));

const doors: Doors = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  clock: new SystemClock(),
  version: product.version,
  interrupted: interruption.signal,
  async up(options) {
    const platform = await start(configOf(options.flags));
    process.stdout.write(`penstock ready ${platform.url}\n`);
    await interrupted;
    await platform.close();
    return 0;
  },
  quickstart: (options) =>
    quickstart(options, doors, {
      start: (flags) => start(configOf(flags, { dataDir: './penstock-data/quickstart' })),
      rowsFile: join(product.catalogueDirectory, 'digits_test.csv'),
    }),
};

process.exitCode = await runCli(process.argv.slice(2), doors);
// A pipe takes what is printed bit by bit: wait for the last of it. What else holds the process open (a half-closed
// socket, say) has nothing to tell any more.
for (const output of [process.stdout, process.stderr]) await new Promise<void>((resolve) => output.write('', () => resolve()));
process.exit();

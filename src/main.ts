/** The program: hands the command line what it needs of the process, and the process its exit code. */
import { type Doors, quickstart, runCli, type UpOptions } from './cli/index.ts';
import { SystemClock } from './clock.ts';
import { type Config, loadConfig } from './config.ts';
import { cataloguePath, startPlatform, version } from './platform.ts';

const interruption = new AbortController();
/** A second signal does not wait. */
const onSignal = (): void => {
  if (interruption.signal.aborted) process.exit(1);
  interruption.abort();
};
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

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
  version,
  interrupted: interruption.signal,
  async up(options) {
    const platform = await startPlatform(configOf(options.flags));
    process.stdout.write(`penstock ready ${platform.url}\n`);
    await interrupted;
    await platform.close();
    return 0;
  },
  quickstart: (options) =>
    quickstart(options, doors, {
      start: (flags) => startPlatform(configOf(flags, { dataDir: './penstock-data/quickstart' })),
      rowsFile: cataloguePath('digits_test.csv'),
    }),
};

process.exitCode = await runCli(process.argv.slice(2), doors);
// What still holds the process open (a half-closed socket, say) has nothing to tell any more.
setImmediate(() => process.exit());

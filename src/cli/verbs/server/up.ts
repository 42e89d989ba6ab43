/** `penstock up` and `penstock quickstart`: the flags of a server. The context supplies their implementation. */
import { type Command, Option } from 'commander';
import { flagName, type Setting, settings } from '../../../config.ts';
import type { CliContext, Flags, OutputForm } from '../../cli-context.ts';
import { defaultDataDirectory } from '../../client/address.ts';
import { bytesText, formatMsText } from '../../output/format.ts';
import { quickstartDirectory } from '../../quickstart/quickstart.ts';
import { exitCodes, root } from '../../verb.ts';

export function addUp(program: Command, context: CliContext): void {
  const command = program.command('up').summary('start the server');
  command.description(
    'Start the server. It prints one line to stdout, `penstock ready URL`, when it is ready; everything else goes to stderr.',
  );
  addServerFlags(command, defaultDataDirectory);
  command.action(async (options: Flags) => {
    exitCodes.set(root(command), await context.up({ flags: options }));
  });
}

export function addQuickstart(program: Command, context: CliContext): void {
  const command = program.command('quickstart').summary('start a server, deploy a model, run a load test');
  command.description('Start a server, deploy a digit classifier with a latency objective, put it under load and report the results.');
  addServerFlags(command, quickstartDirectory(process.getuid?.()));
  command.optionsGroup('Quickstart:').option('--exit', 'exit after the load test instead of continuing to serve', false);
  command.addOption(new Option('--output <form>', 'output format').choices(['text', 'json']).default('text'));
  command.action(async ({ exit, output, ...flags }: { exit: boolean; output: OutputForm }) => {
    exitCodes.set(root(command), await context.quickstart({ flags, exit, output }));
  });
}

/** The settings under each heading of the help. */
const headings: Readonly<Record<string, readonly string[]>> = {
  'Addresses and TLS:': ['host', 'port', 'grpcPort', 'tls', 'tlsCert', 'tlsKey', 'connectionsMax', 'gateways'],
  'State:': ['dataDir', 'databaseUrl', 'clusterKeyFile', 'node', 'objects', 'objectCache', 'artifactLimit', 'metricsLimit'],
  'Requests:': ['bodyLimit', 'asyncBodyLimit', 'invocationLimit', 'invocationTimeout', 'timeout', 'queueRowsMax', 'memoryLimit', 'drain'],
  'Workers and control loops:': ['cores', 'localWorkers', 'warmWorkers', 'profileBudget', 'batchPeriod', 'scalingLead', 'startDelay'],
  'Hosts:': ['scaleHosts', 'scaleHostsRange', 'scaleHostsExec', 'hostSize', 'joinSecret', 'serviceAccount'],
  'Logs and traces:': ['logLevel', 'requestLines', 'otlpEndpoint', 'traceShare'],
};

/**
 * Adds a flag for each setting that can be set by one. Values are passed on unparsed: the configuration validates them and applies
 * defaults.
 */
function addServerFlags(command: Command, dataDirectory: string): void {
  const flags = Object.values<Setting>(settings).filter(({ only }) => only === undefined || only.includes('flag'));
  const listed = new Set(Object.values(headings).flat());
  for (const [heading, names] of Object.entries({
    ...headings,
    'Other:': flags.map(({ name }) => name).filter((name) => !listed.has(name)),
  })) {
    command.optionsGroup(heading);
    for (const setting of flags.filter(({ name }) => names.includes(name))) {
      const preset = setting.name === settings.dataDir.name ? dataDirectory : setting.default;
      const shown = preset === null || typeof preset === 'object' ? '' : ` (default: ${presetText(setting.placeholder, preset)})`;
      command.option(`${flagName(setting)} <${setting.placeholder}>`, `${setting.help}${shown}`);
    }
  }
  command.helpOption(true);
}

/** A default in the syntax of the flag: `64MiB`, `60s`. */
function presetText(placeholder: string, preset: unknown): string {
  if (placeholder === 'SIZE') return bytesText(Number(preset)).replace(' ', '');
  if (placeholder === 'TIME') return formatMsText(Number(preset)).replace(' ', '');
  return String(preset);
}

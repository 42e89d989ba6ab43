/** `penstock host`: runs the workers of a cluster on this machine. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { bytesKind, durationKind, integerKind, patternKind, type SettingKind } from '../../../config.ts';
import { acceleratorTable } from '../../../costs/index.ts';
import { messageOf, PlatformError } from '../../../errors.ts';
import type { AgentSettings } from '../../../hosts/index.ts';
import { addressParts } from '../../../links/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { exitCodes, root } from '../../verb.ts';

type HostFlags = Readonly<Record<string, string | undefined>> & { readonly python: readonly string[] };

const mebibyte = 1024 ** 2;
const zoneForm = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const nameForm = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

export function addHost(program: Command, context: CliContext): void {
  const command = program.command('host').summary('run workers of a cluster on this machine');
  command.description(
    'Join a cluster and run workers for it until interrupted. On SIGTERM, its workers first start on other hosts. It prints one line to ' +
      'stdout, `penstock host NAME linked`, when it is linked to the node that serves; everything else goes to stderr.',
  );
  command
    .option('--join <token>', 'join token of the cluster, or @FILE that contains it; not needed again (PENSTOCK_JOIN)')
    .option('--data-dir <DIR>', 'certificate, cached models, logs (default: ./penstock-host)')
    .option('--name <NAME>', 'name of this host (default: that of the machine)')
    .option('--zone <ZONE>', 'hosts of a zone may fail together (default: default)')
    .option('--cpus <N>', 'CPUs for workers (default: all)')
    .option('--memory <SIZE>', 'memory for workers (default: 90 % of the machine)')
    .option('--cache <SIZE>', 'disk space for models that no worker uses (default: 50GiB)')
    .option('--warm-workers <N>', 'started workers without a model (default: 1)')
    .option(
      '--accelerators <FILE>',
      'JSON with the devices of this machine by instance type, as accelerators of config.json (PENSTOCK_ACCELERATORS has the JSON; default: none)',
    )
    .option(
      '--python <PATH>',
      'Python for models, NAME=PATH as config.json names it, or off; may be repeated (default: python3)',
      collect,
      [],
    )
    .option('--keep <TIME>', 'how long workers run without a node that serves (default: 60s)')
    .option('--within <TIME>', 'how long workers may take to move when this host stops (default: 60s)')
    .option('--health <HOST:PORT>', 'where probes ask over HTTP whether this host can run workers: /v2/health/ready (default: nowhere)')
    .option('--serve <HOST:PORT>', 'where other hosts of the cluster may read models that this one has (default: nowhere)')
    .option('--log-level <LEVEL>', 'debug, info, warn or error (default: info)');
  command.action(async (options: HostFlags) => {
    exitCodes.set(root(command), await run(options, context));
  });
}

async function run(flags: HostFlags, context: CliContext): Promise<number> {
  const { runAgent, defaultHostName, machineCapacity } = await import('../../../hosts/index.ts');
  const { clock, interrupted, version, env } = context;
  const settings = settingsOf(flags, { version, env, machine: machineCapacity(), machineName: defaultHostName() });
  const onLinked = (): void => void context.stdout.write(`penstock host ${settings.name} linked\n`);
  const onSecondInterrupt = context.onSecondInterrupt ?? (() => undefined);
  try {
    await runAgent(settings, { clock, interrupted, onSecondInterrupt, onLinked });
  } catch (error) {
    if (interrupted.aborted && error instanceof PlatformError && error.code === 'unavailable') return 0;
    throw error;
  }
  return 0;
}

const addressKind: SettingKind<{ readonly host: string; readonly port: number }> = {
  placeholder: 'HOST:PORT',
  expected: 'HOST:PORT, such as 0.0.0.0:8003',
  read: (provided) => (typeof provided === 'string' ? (addressParts(provided) ?? undefined) : undefined),
};

interface HostDefaults {
  readonly version: string;
  readonly env: CliContext['env'];
  readonly machine: { readonly cpuMilli: number; readonly memoryMiB: number };
  readonly machineName: string | null;
}

function settingsOf(flags: HostFlags, { version, env, machine, machineName }: HostDefaults): AgentSettings {
  const read = <Value>(flag: string, kind: SettingKind<Value>, preset: Value | null): Value => {
    const provided = flags[flag.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
    const value = provided === undefined ? preset : kind.read(provided);
    if (value === null) throw new PlatformError('invalid_request', `missing --${flag}: expected ${kind.expected}`);
    if (value === undefined)
      throw new PlatformError('invalid_request', `--${flag}: expected ${kind.expected}, got ${JSON.stringify(provided)}`);
    return value;
  };
  const levels = patternKind('LEVEL', /^(?:debug|info|warn|error)$/, 'debug, info, warn or error');
  const memoryBytes = read('memory', bytesKind(), machine.memoryMiB * mebibyte);
  return {
    token: tokenOf(flags['join'] ?? env['PENSTOCK_JOIN']),
    name: read('name', patternKind('NAME', nameForm, 'letters, digits and hyphens, at most 63'), machineName),
    dataDir: flags['dataDir'] ?? './penstock-host',
    zone: read('zone', patternKind('ZONE', zoneForm, 'letters, digits, hyphens, dots and underscores, at most 63'), 'default'),
    cpuMilli: flags['cpus'] === undefined ? machine.cpuMilli : 1000 * read('cpus', integerKind(1, 4096), 1),
    memoryMiB: Math.floor(memoryBytes / mebibyte),
    cacheBytes: read('cache', bytesKind(), 50 * 1024 * mebibyte),
    warmWorkers: read('warm-workers', integerKind(0, 64), 1),
    accelerators: acceleratorsOf(flags['accelerators'], env['PENSTOCK_ACCELERATORS']),
    python: pythonOf(flags.python),
    keepMs: read('keep', durationKind(), 60_000),
    drainMs: read('within', durationKind(), 60_000),
    health: flags['health'] === undefined ? null : read('health', addressKind, null),
    serve: flags['serve'] === undefined ? null : read('serve', addressKind, null),
    logLevel: read('log-level', levels, 'info'),
    version,
  };
}

function collect(value: string, values: readonly string[]): readonly string[] {
  return [...values, value];
}

/** `off`, or paths of interpreters of which one may have no name: it is the default. */
function pythonOf(values: readonly string[]): AgentSettings['python'] {
  const named = new Map<string, string>();
  for (const value of values) {
    if (value === 'off' && values.length === 1) return { isEnabled: false, named };
    const [, name = 'default', path] = /^(?:([A-Za-z0-9][A-Za-z0-9-]{0,62})=)?(\/.+)$/.exec(value) ?? [];
    const key = name.toLowerCase();
    if (path === undefined)
      throw new PlatformError(
        'invalid_request',
        `--python: expected an absolute path, NAME=PATH, or only off, got ${JSON.stringify(value)}`,
      );
    if (named.has(key)) throw new PlatformError('invalid_request', `--python: there are two interpreters named ${key}`);
    named.set(key, path);
  }
  return { isEnabled: true, named };
}

/** The same form, and the same checks, as on a server. `text`: the JSON itself. Throws `invalid_request`. */
function acceleratorsOf(path: string | undefined, text: string | undefined): AgentSettings['accelerators'] {
  if (path === undefined && (text === undefined || text === '')) return {};
  try {
    const types: unknown = JSON.parse(path === undefined ? (text ?? '') : readFileSync(path, 'utf8'));
    if (typeof types !== 'object' || types === null || Array.isArray(types)) throw new Error('expected an object by instance type');
    return acceleratorTable(types as Record<string, unknown>);
  } catch (error) {
    const where = path === undefined ? 'PENSTOCK_ACCELERATORS' : `--accelerators ${path}`;
    throw new PlatformError('invalid_request', `${where}: ${messageOf(error)}`);
  }
}

/** A command line is visible to all users of a machine, a file is not. */
function tokenOf(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  if (!text.startsWith('@')) return text;
  try {
    return readFileSync(text.slice(1), 'utf8').trim();
  } catch (error) {
    throw new PlatformError('invalid_request', `--join: the file ${text.slice(1)} cannot be read: ${messageOf(error)}`);
  }
}

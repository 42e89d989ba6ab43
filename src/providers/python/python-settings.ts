/** `python` of config.json: whether this server runs Python models, and within which limits. Pure. */
import { isLoopback } from '../../config.ts';
import { PlatformError } from '../../errors.ts';
import { formatMs, parseDurationMs } from '../../objective.ts';

export interface PythonSettings {
  /** `off`: Python models are neither registered nor started. */
  readonly run: 'after-approval' | 'off';
  /** Whether Python models reach the network. */
  readonly network: 'none' | 'host';
  /** Whether workers are forked from a process that has the libraries imported. */
  readonly forkServer: boolean;
  /** Limits of the worker that opens a model at its approval. */
  readonly openMemoryMiB: number;
  readonly openTimeoutMs: number;
}

const names = ['run', 'network', 'forkServer', 'openMemory', 'openTimeout'];
const memoryMiBRange = [256, 1024 * 1024] as const;
const timeoutMsRange = [1000, 3_600_000] as const;

/** Throws `invalid_request`. */
export function pythonSettings(
  provided: Readonly<Record<string, unknown>> | null,
  server: { readonly host: string; readonly tls: string },
): PythonSettings {
  const { run, network = 'none', forkServer = true, openMemory = '4GiB', openTimeout = '120s', ...rest } = provided ?? {};
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw new PlatformError('invalid_request', `unknown setting python.${unknown} in config.json: expected ${names.join(', ')}`);
  const isLocal = isLoopback(server.host) && server.tls === 'off';
  const runs = run ?? (isLocal ? 'after-approval' : 'off');
  if (runs !== 'after-approval' && runs !== 'off') throw wrong('run', 'one of after-approval, off', run);
  if (network !== 'none' && network !== 'host') throw wrong('network', 'one of none, host', network);
  if (typeof forkServer !== 'boolean') throw wrong('forkServer', 'true or false', forkServer);
  return { run: runs, network, forkServer, openMemoryMiB: memoryOf(openMemory), openTimeoutMs: timeoutOf(openTimeout) };
}

function memoryOf(provided: unknown): number {
  const [, count, unit] = (typeof provided === 'string' && /^(\d{1,7})(MiB|GiB)$/.exec(provided)) || [];
  const memoryMiB = Number(count) * (unit === 'GiB' ? 1024 : 1);
  const [least, most] = memoryMiBRange;
  if (memoryMiB >= least && memoryMiB <= most) return memoryMiB;
  throw wrong('openMemory', `a size from ${least}MiB to ${most / 1024}GiB, such as "4GiB"`, provided);
}

function timeoutOf(provided: unknown): number {
  const [least, most] = timeoutMsRange;
  const timeoutMs = typeof provided === 'string' ? parseDurationMs(provided) : undefined;
  if (timeoutMs !== undefined && timeoutMs >= least && timeoutMs <= most) return timeoutMs;
  throw wrong('openTimeout', `a time from ${formatMs(least)} to ${formatMs(most)}, such as "120s"`, provided);
}

function wrong(name: string, expected: string, got: unknown): PlatformError {
  return new PlatformError(
    'invalid_request',
    `python.${name} in config.json: expected ${expected}, got ${JSON.stringify(got)?.slice(0, 100)}`,
  );
}

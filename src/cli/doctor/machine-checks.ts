/** The checks of `penstock doctor`: the requirements of a server on its machine. A check changes nothing and never throws. */
import { spawn } from 'node:child_process';
import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SystemClock } from '../../clock.ts';
import { loadSetting } from '../../config.ts';
import { messageOf } from '../../errors.ts';
import { urlOfLock } from '../client/address.ts';
import { bytesText } from '../output/format.ts';
import { isolationText } from '../output/isolation-text.ts';
import { checkPython } from './python-checks.ts';

export interface Check {
  readonly name: string;
  /** A problem prevents the server from running. A warning costs speed, space or a feature. */
  readonly result: 'ok' | 'warning' | 'problem';
  readonly found: string;
  readonly advice: string | null;
}

export interface Machine {
  readonly dataDirectory: string;
  readonly port: number;
}

const gibibyte = 2 ** 30;

export async function checkMachine(machine: Machine): Promise<Check[]> {
  const python = checkPython(machine.dataDirectory);
  const checks = await Promise.all([
    Promise.resolve(checkNode(process.versions.node)),
    checkRuntime(),
    checkDirectory(machine.dataDirectory),
    checkDisk(machine.dataDirectory),
    checkPort(machine),
    Promise.resolve(checkSocketPath(tmpdir())),
    checkTemporaryDirectory(tmpdir()),
    checkOpenFiles(),
    Promise.resolve(checkMemory()),
    checkGroups(),
    checkIsolation(machine),
  ]);
  return [
    ...checks,
    ...(await python).map((check) => ({ ...check, result: check.advice === null ? ('ok' as const) : ('warning' as const) })),
  ];
}

const ok = (name: string, found: string): Check => ({ name, result: 'ok', found, advice: null });
const warning = (name: string, found: string, advice: string): Check => ({ name, result: 'warning', found, advice });
const problem = (name: string, found: string, advice: string): Check => ({ name, result: 'problem', found, advice });

export function checkNode(version: string): Check {
  return Number.parseInt(version, 10) >= 24 ? ok('node', version) : problem('node', version, 'run Penstock with Node 24 or newer');
}

/** Loads the runtime in a child process, because native code may crash. */
async function checkRuntime(): Promise<Check> {
  const { missingOnnxruntime, onnxruntimePath } = await import('../../runtime/index.ts');
  const path = onnxruntimePath();
  if (path === null) return problem('runtime', missingOnnxruntime.found, missingOnnxruntime.advice);
  // onnxruntime must not find Node 24's Float16Array.
  const script =
    'delete globalThis.Float16Array; const ort = require(process.argv[1]); console.log(ort.env.versions.node ?? ort.env.versions.common)';
  const { code, stdout, stderr } = await runNode(['-e', script, path]);
  if (code === 0) return ok('runtime', `onnxruntime ${stdout.trim()}`);
  return problem(
    'runtime',
    `onnxruntime does not load: ${lastLine(stderr) || `exit code ${code}`}`,
    'install the libraries that the message names, or Penstock again',
  );
}

function runNode(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 15_000,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', (error) => done({ code: null, stdout, stderr: error.message }));
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .findLast((line) => /error/i.test(line))
      ?.trim() ?? ''
  );
}

async function checkDirectory(dataDirectory: string): Promise<Check> {
  const path = resolve(dataDirectory);
  const existing = await nearestExisting(path);
  try {
    const found = await stat(existing);
    if (!found.isDirectory()) return problem('data directory', `${existing} is not a directory`, 'choose another --data-dir');
    await access(existing, constants.W_OK | constants.X_OK);
  } catch (error) {
    return problem('data directory', messageOf(error), 'choose a --data-dir that you can write to');
  }
  return ok('data directory', existing === path ? path : `${path} (does not exist yet)`);
}

/** The path, or its nearest existing parent directory. */
async function nearestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    if (at === dirname(at) || (await stat(at).catch(() => null)) !== null) return at;
  }
}

async function checkDisk(dataDirectory: string): Promise<Check> {
  try {
    const { bavail, bsize } = await statfs(await nearestExisting(resolve(dataDirectory)));
    const free = bavail * bsize;
    const found = `${bytesText(free)} free`;
    if (free < 0.1 * gibibyte) return problem('disk', found, 'free some space: models, logs and the database need at least 100 MiB');
    return free < gibibyte ? warning('disk', found, 'free some space before you register large models') : ok('disk', found);
  } catch (error) {
    return warning('disk', `the free space is unknown: ${messageOf(error)}`, 'check it with df');
  }
}

async function checkPort({ dataDirectory, port }: Machine): Promise<Check> {
  const running = await urlOfLock(dataDirectory).catch((error: unknown) => messageOf(error));
  if (running !== null) return ok('port', `the server of this data directory is running: ${running}`);
  const code = await new Promise<string | null>((done) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => done(null)));
  });
  if (code === null) return ok('port', `${port} is free`);
  if (code === 'EACCES') return warning('port', `this user may not listen on ${port}`, 'use a --port of 1024 or more');
  return warning('port', `${port} is in use (${code})`, 'use another --port; 0 chooses any free one');
}

/** A Unix socket path holds at most 107 bytes. Workers get theirs in a directory below the temporary one. */
export function checkSocketPath(temporary: string): Check {
  const longest = Buffer.byteLength(join(temporary, 'penstock-workers-XXXXXX', 'workers.sock'));
  if (longest <= 107) return ok('socket path', `${longest} of 107 bytes, in ${temporary}`);
  return problem('socket path', `${longest} bytes in ${temporary}: the limit is 107`, 'set TMPDIR to a shorter path, such as /tmp');
}

async function checkTemporaryDirectory(temporary: string): Promise<Check> {
  try {
    await access(temporary, constants.W_OK | constants.X_OK);
    return ok('temporary directory', temporary);
  } catch (error) {
    return problem('temporary directory', messageOf(error), 'set TMPDIR to a directory that you can write to');
  }
}

async function checkOpenFiles(): Promise<Check> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const [, text] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (text === undefined) return ok('open files', 'the limit is unknown on this system');
  const limit = text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  const found = `limit ${text}`;
  if (limit < 256) return problem('open files', found, 'raise the limit: ulimit -n 65536');
  return limit < 12_000 ? warning('open files', found, 'raise the limit for many clients: ulimit -n 65536') : ok('open files', found);
}

function checkMemory(): Check {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  const bytes = Math.min(totalmem(), limit);
  const found = `${bytesText(bytes)}, ${availableParallelism()} cores`;
  return bytes < 0.75 * gibibyte
    ? warning('machine', found, 'run small models only: each worker needs 60 MiB or more')
    : ok('machine', found);
}

/** Only functions need control groups: to limit them to the share of a core that their memory size buys. */
async function checkGroups(): Promise<Check> {
  const advice = 'functions run without a CPU limit and are measured that way; instances are not affected';
  const unified = await stat('/sys/fs/cgroup/cgroup.controllers').catch(() => null);
  const root = unified === null ? '/sys/fs/cgroup/cpu' : '/sys/fs/cgroup';
  const version = unified === null ? 'v1' : 'v2';
  if ((await stat(root).catch(() => null)) === null) return warning('cgroups', 'none', advice);
  const writable = await access(root, constants.W_OK).then(
    () => true,
    () => false,
  );
  return writable ? ok('cgroups', `${version}, writable`) : warning('cgroups', `${version}, not writable`, advice);
}

/** Tests isolation with real processes as this user. A server of another user may get another mode. */
async function checkIsolation({ dataDirectory }: Machine): Promise<Check> {
  try {
    const { findIsolation, isolationSettings } = await import('../../providers/index.ts');
    const config = loadSetting('isolation', { flags: { dataDir: dataDirectory }, env: process.env });
    const { mode, hasOwnUsers, reason, advice } = await findIsolation(isolationSettings(config), new SystemClock());
    const found = isolationText({ mode, own_users: hasOwnUsers });
    if (mode === 'root' || mode === 'user') return { ...ok('isolation', found), advice };
    return warning('isolation', reason === null ? found : `${found} (${reason})`, advice ?? '');
  } catch (error) {
    return warning('isolation', messageOf(error), 'correct `isolation` in config.json');
  }
}

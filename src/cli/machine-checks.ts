/** What a server needs of the machine, looked at one by one. Looking changes nothing and never throws. */
import { spawn } from 'node:child_process';
import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../errors.ts';
import { urlOfLock } from './address.ts';
import { bytesText } from './words.ts';

export interface Check {
  readonly name: string;
  /** A problem keeps the server from running; a warning costs speed, room or a feature. */
  readonly result: 'ok' | 'warning' | 'problem';
  readonly found: string;
  readonly advice: string | null;
}

export interface Machine {
  readonly dataDirectory: string;
  readonly port: number;
}

const gibibyte = 2 ** 30;

export function checkMachine(machine: Machine): Promise<Check[]> {
  return Promise.all([
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
  ]);
}

const ok = (name: string, found: string): Check => ({ name, result: 'ok', found, advice: null });
const warning = (name: string, found: string, advice: string): Check => ({ name, result: 'warning', found, advice });
const problem = (name: string, found: string, advice: string): Check => ({ name, result: 'problem', found, advice });

export function checkNode(version: string): Check {
  return Number.parseInt(version, 10) >= 24 ? ok('node', version) : problem('node', version, 'run it with Node 24 or newer');
}

/** Native code may crash: it is loaded in a child. */
async function checkRuntime(): Promise<Check> {
  const advice = 'npm i onnxruntime-node with ONNXRUNTIME_NODE_INSTALL=skip';
  let path: string;
  try {
    path = fileURLToPath(import.meta.resolve('onnxruntime-node'));
  } catch {
    return problem('runtime', 'onnxruntime-node is not installed', advice);
  }
  // Node 24's Float16Array must be out of the way before onnxruntime-node looks for it.
  const script =
    'delete globalThis.Float16Array; const ort = require(process.argv[1]); console.log(ort.env.versions.node ?? ort.env.versions.common)';
  const { code, stdout, stderr } = await runNode(['-e', script, path]);
  if (code === 0) return ok('runtime', `onnxruntime-node ${stdout.trim()}`);
  return problem('runtime', `onnxruntime-node does not load: ${lastLine(stderr) || `exit code ${code}`}`, advice);
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
  const there = await nearest(path);
  try {
    const found = await stat(there);
    if (!found.isDirectory()) return problem('data directory', `${there} is not a directory`, 'choose another --data-dir');
    await access(there, constants.W_OK | constants.X_OK);
  } catch (error) {
    return problem('data directory', messageOf(error), 'choose a --data-dir that you may write to');
  }
  return ok('data directory', there === path ? path : `${path} (not there yet)`);
}

/** The path, or the nearest directory above it that is there. */
async function nearest(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    if (at === dirname(at) || (await stat(at).catch(() => null)) !== null) return at;
  }
}

async function checkDisk(dataDirectory: string): Promise<Check> {
  try {
    const { bavail, bsize } = await statfs(await nearest(resolve(dataDirectory)));
    const free = bavail * bsize;
    const found = `${bytesText(free)} free`;
    if (free < 0.1 * gibibyte) return problem('disk', found, 'make room: models, logs and the database need at least 100 MiB');
    return free < gibibyte ? warning('disk', found, 'make room before you register large models') : ok('disk', found);
  } catch (error) {
    return warning('disk', `the free space is not known: ${messageOf(error)}`, 'look with df');
  }
}

async function checkPort({ dataDirectory, port }: Machine): Promise<Check> {
  const running = await urlOfLock(dataDirectory).catch((error: unknown) => messageOf(error));
  if (running !== null) return ok('port', `the server of this data directory runs: ${running}`);
  const code = await new Promise<string | null>((done) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => done(null)));
  });
  if (code === null) return ok('port', `${port} is free`);
  if (code === 'EACCES') return warning('port', `${port} is not for this user`, 'take a --port of 1024 or more');
  return warning('port', `${port} is in use (${code})`, 'start with another --port; 0 takes any free one');
}

/** The path of a unix socket holds 107 bytes; workers get theirs in a directory below the temporary one. */
export function checkSocketPath(temporary: string): Check {
  const longest = Buffer.byteLength(join(temporary, 'penstock-workers-XXXXXX', 'workers.sock'));
  if (longest <= 107) return ok('socket path', `${longest} of 107 bytes, in ${temporary}`);
  return problem('socket path', `${longest} bytes in ${temporary}, at most 107 are possible`, 'set TMPDIR to a shorter path, such as /tmp');
}

async function checkTemporaryDirectory(temporary: string): Promise<Check> {
  try {
    await access(temporary, constants.W_OK | constants.X_OK);
    return ok('temporary directory', temporary);
  } catch (error) {
    return problem('temporary directory', messageOf(error), 'set TMPDIR to a directory that you may write to');
  }
}

async function checkOpenFiles(): Promise<Check> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const [, text] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  if (text === undefined) return ok('open files', 'the limit is not known on this system');
  const limit = text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  const found = `${text} at most`;
  if (limit < 256) return problem('open files', found, 'raise the limit: ulimit -n 65536');
  return limit < 12_000 ? warning('open files', found, 'for many clients raise the limit: ulimit -n 65536') : ok('open files', found);
}

function checkMemory(): Check {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  const bytes = Math.min(totalmem(), limit);
  const found = `${bytesText(bytes)}, ${availableParallelism()} cores`;
  return bytes < 0.75 * gibibyte ? warning('machine', found, 'small models only: each worker takes 60 MiB and more') : ok('machine', found);
}

/** Only functions want control groups: to be held to the share of a core that their memory size buys. */
async function checkGroups(): Promise<Check> {
  const advice = 'functions will run unheld, and be measured as they run; instances do not need it';
  const unified = await stat('/sys/fs/cgroup/cgroup.controllers').catch(() => null);
  const root = unified === null ? '/sys/fs/cgroup/cpu' : '/sys/fs/cgroup';
  const version = unified === null ? 'v1' : 'v2';
  if ((await stat(root).catch(() => null)) === null) return warning('cgroups', 'none', advice);
  const writable = await access(root, constants.W_OK).then(
    () => true,
    () => false,
  );
  return writable ? ok('cgroups', `${version}, ours to use`) : warning('cgroups', `${version}, not ours to use`, advice);
}

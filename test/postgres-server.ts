/** A private PostgreSQL for the tests, from Debian's binaries, in a directory of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = '/usr/lib/postgresql';

export interface PostgresServer {
  readonly url: string;
  /** Makes an empty database and tells its URL. */
  createDatabase(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** False where the tests can run; else why not, for node:test to print. */
export function whyNoPostgres(): string | false {
  if (binaries() === undefined) return `no PostgreSQL under ${root} (apt-get install postgresql)`;
  if (isRoot() && !existsSync('/usr/bin/setpriv'))
    return 'PostgreSQL does not run as root, and there is no setpriv to become somebody else';
  return false;
}

/** Takes the directory over, and removes it in the end. */
export async function startPostgres(directory: string): Promise<PostgresServer> {
  const bin = binaries() ?? root;
  // The name of nobody is as good as postgres, and there on every machine.
  const nobody = 65_534;
  if (isRoot()) await chown(directory, nobody, nobody);
  await chmod(directory, 0o700);
  const data = join(directory, 'data');
  const asUser = (command: string, args: readonly string[]): [string, string[]] =>
    isRoot()
      ? ['/usr/bin/setpriv', [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--pdeathsig', 'KILL', command, ...args]]
      : [command, [...args]];
  const options = { cwd: directory, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
  await run(...asUser(join(bin, 'initdb'), ['-D', data, '-U', 'penstock', '-A', 'trust', '-E', 'UTF8', '--no-sync']), options);
  const port = await freePort();
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', `unix_socket_directories=${directory}`].flatMap((setting) => [
    '-c',
    setting,
  ]);
  const server = spawn(...asUser(join(bin, 'postgres'), ['-D', data, '-p', `${port}`, ...settings]), {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = (): void => void server.kill('SIGKILL');
  process.once('exit', end);
  await ready(server);
  const urlOf = (name: string): string => `postgres://penstock@127.0.0.1:${port}/${name}`;
  const psql = (text: string) =>
    run(join(bin, 'psql'), ['-h', '127.0.0.1', '-p', `${port}`, '-U', 'penstock', '-d', 'postgres', '-c', text], options);
  return {
    url: urlOf('postgres'),
    async createDatabase(name) {
      await psql(`create database ${name}`);
      return urlOf(name);
    },
    async stop() {
      process.off('exit', end);
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGINT'); // a fast shutdown: open sessions are ended
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves when it says that it takes connections. */
function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('ready to accept connections')) resolve();
    });
    server.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}: ${log}`)));
    server.once('error', reject);
  });
}

function binaries(): string | undefined {
  if (!existsSync(root)) return undefined;
  const versions = readdirSync(root).filter((version) => existsSync(join(root, version, 'bin', 'initdb')));
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : join(root, newest, 'bin');
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A private PostgreSQL for the tests, from Debian's binaries, in a separate directory. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { appendFile, chmod, chown, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';

const run = promisify(execFile);
const root = '/usr/lib/postgresql';

export interface PostgresServer {
  readonly url: string;
  readonly port: number;
  /** Creates an empty database, or a copy of another one without sessions, and returns its URL. */
  createDatabase(name: string, copied?: string): Promise<string>;
  /** Runs SQL in a database and returns what psql prints, without headers. */
  psql(text: string, database?: string): Promise<string>;
  /** Ends the server: `fast` closes open sessions, `immediate` simulates a crash. */
  shutDown(how: 'fast' | 'immediate'): Promise<void>;
  /** After `shutDown`: on the same port, with the same data. */
  start(): Promise<void>;
  /** Ends every session of all databases but the caller's. */
  terminateSessions(): Promise<void>;
  /** SIGSTOP for all processes: connections stay open, but nothing answers. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

/** False if the tests can run; else the reason, for node:test to print. */
export function whyNoPostgres(): string | false {
  if (binaries() === undefined) return `no PostgreSQL under ${root} (apt-get install postgresql)`;
  if (isRoot() && !existsSync('/usr/bin/setpriv'))
    return 'PostgreSQL does not run as root, and setpriv is not available to change the user';
  return false;
}

/** Where the server runs, if not on this machine. */
export interface PostgresPlace {
  /** What comes before its command. */
  readonly on: readonly string[];
  readonly address: string;
}

/** Takes over the directory, and removes it at the end. */
export async function startPostgres(directory: string, place?: PostgresPlace): Promise<PostgresServer> {
  const bin = binaries() ?? root;
  // User id 65534 exists on every machine, unlike the user postgres.
  const unprivilegedUid = 65_534;
  if (isRoot()) await chown(directory, unprivilegedUid, unprivilegedUid);
  await chmod(directory, 0o700);
  const data = join(directory, 'data');
  const asUser = (command: string, args: readonly string[]): [string, string[]] =>
    isRoot()
      ? [
          '/usr/bin/setpriv',
          [`--reuid=${unprivilegedUid}`, `--regid=${unprivilegedUid}`, '--clear-groups', '--pdeathsig', 'KILL', command, ...args],
        ]
      : [command, [...args]];
  const options = { cwd: directory, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
  await run(...asUser(join(bin, 'initdb'), ['-D', data, '-U', 'penstock', '-A', 'trust', '-E', 'UTF8', '--no-sync']), options);
  const port = await freePort();
  const { on = [], address = '127.0.0.1' } = place ?? {};
  if (place !== undefined) await appendFile(join(data, 'pg_hba.conf'), `host all all ${address}/24 trust\n`);
  const settings = ['fsync=off', `listen_addresses=${address}`, `unix_socket_directories=${directory}`].flatMap((setting) => [
    '-c',
    setting,
  ]);
  const urlOf = (name: string): string => `postgres://penstock@${address}:${port}/${name}`;
  let server: ChildProcess | null = null;
  let frozen: number[] = [];
  const thaw = (): void => {
    for (const pid of frozen.splice(0)) signal(pid, 'SIGCONT');
  };
  const end = (): void => {
    thaw();
    server?.kill('SIGKILL');
  };
  process.once('exit', end);
  const psql = async (text: string, database = 'postgres'): Promise<string> => {
    const { stdout } = await run(
      join(bin, 'psql'),
      ['-h', directory, '-p', `${port}`, '-U', 'penstock', '-d', database, '-At', '-c', text],
      options,
    );
    return stdout.trim();
  };
  const started: PostgresServer = {
    url: urlOf('postgres'),
    port,
    psql,
    async createDatabase(name, copied = 'template1') {
      await psql(`create database ${name} template ${copied}`);
      return urlOf(name);
    },
    async start() {
      const [command, args] = asUser(join(bin, 'postgres'), ['-D', data, '-p', `${port}`, ...settings]);
      const [first = command, ...rest] = [...on, command, ...args];
      server = spawn(first, rest, {
        ...options,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      await ready(server);
    },
    async shutDown(how) {
      const ending = server;
      if (ending === null) return;
      server = null;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.removeAllListeners('error');
      ending.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await ended;
    },
    async terminateSessions() {
      // Waits for their end: else one of them may answer once more.
      await psql('select pg_terminate_backend(pid, 10000) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null');
    },
    async freeze() {
      const postmaster = server?.pid;
      if (postmaster === undefined) return;
      frozen = [postmaster, ...childrenOf(postmaster)];
      for (const pid of frozen) signal(pid, 'SIGSTOP');
    },
    thaw,
    async stop() {
      process.off('exit', end);
      thaw();
      await this.shutDown('fast');
      await rm(directory, { recursive: true, force: true });
    },
  };
  await started.start();
  return started;
}

/** A session may end by itself meanwhile. */
function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name);
  } catch {
    return;
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // After the name in parentheses: state, parent.
        return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1]) === parent;
      } catch {
        return false; // ended meanwhile
      }
    });
}

/** Resolves when it accepts connections. */
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

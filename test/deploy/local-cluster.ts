/**
 * A cluster on this machine, for a trial: `npm run cluster:local`. PostgreSQL, three nodes and two hosts as processes, in a folder that is
 * removed at the end. Ctrl-C ends them all. Their command lines are printed, so that one that was killed can be started again by hand.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endWithProblem, readCommandLine } from '../command-line.ts';
import { startPostgres, whyNoPostgres } from '../postgres-server.ts';

const run = promisify(execFile);
const penstock = join(import.meta.dirname, '../../bin/penstock');

const { values } = readCommandLine({
  command: 'npm run cluster:local --',
  flags: { 'first-port': 8081, nodes: 3, hosts: 2, cpus: 1, memory: 1024, once: false },
});
const noPostgres = whyNoPostgres();
if (noPostgres !== false) endWithProblem(noPostgres);

const folder = mkdtempSync(join(tmpdir(), 'penstock-cluster-'));
const running: ChildProcess[] = [];
const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Resolves when the process has printed that it is ready. Its output goes to NAME.log. In a group of its own, so that Ctrl-C reaches only this process. */
async function start(name: string, args: readonly string[]): Promise<void> {
  print(`$ penstock ${args.join(' ')}`);
  const child = spawn(penstock, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.push(child);
  const path = join(folder, `${name}.log`);
  const log = createWriteStream(path);
  child.stderr.pipe(log, { end: false });
  const isReady = new Promise<void>((resolve) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      log.write(part);
      text += part;
      if (/^penstock (?:ready|stands by|host .* linked)/m.test(text)) resolve();
    });
  });
  const ended = once(child, 'exit').then(([code, signal]) => {
    const what = `${name} ended (${signal ?? code}), see ${path}`;
    print(what);
    throw new Error(what);
  });
  await Promise.race([isReady, ended]);
  ended.catch(() => undefined);
}

/** Hosts before nodes, the last one first. */
async function endAll(): Promise<void> {
  for (const child of running.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
}

async function serve(databaseUrl: string): Promise<void> {
  const keyFile = join(folder, 'cluster.key');
  writeFileSync(keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const shared = ['--database-url', databaseUrl, '--cluster-key-file', keyFile];
  const first = values['first-port'];
  for (let at = 0; at < values.nodes; at++) {
    const name = `n${at + 1}`;
    const address = ['--port', `${first + at}`, '--grpc-port', `${first + 100 + at}`, '--link', `127.0.0.1:${first + 200 + at}`];
    await start(name, ['up', '--node', name, '--data-dir', join(folder, name), ...address, ...shared, '--objects', 'postgres']);
  }
  const create = ['cluster', 'token', 'create', '--data-dir', join(folder, 'n1'), '--uses', `${values.hosts}`];
  print(`$ penstock ${create.join(' ')}`);
  const { token } = JSON.parse((await run(penstock, [...create, '--output', 'json'])).stdout) as { token: string };
  for (let at = 0; at < values.hosts; at++) {
    const name = `h${at + 1}`;
    const size = ['--cpus', `${values.cpus}`, '--memory', `${values.memory}MiB`, '--zone', `zone-${at + 1}`, '--within', '5s'];
    await start(name, ['host', '--name', name, '--data-dir', join(folder, name), '--join', token, ...size]);
  }
  print(`\neval "$(penstock env --data-dir ${join(folder, 'n1')})"\npenstock cluster status`);
  print(`\nlogs in ${folder}; Ctrl-C ends the cluster and removes the folder`);
}

const postgres = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-postgres-')));
try {
  await Promise.race([interrupted, serve(await postgres.createDatabase('penstock'))]);
  if (!values.once) await interrupted;
} finally {
  await endAll();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

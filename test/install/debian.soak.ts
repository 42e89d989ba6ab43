/**
 * Installations in a Debian of their own: the steps of Containerfile, run without a container engine (debootstrap makes its base image, chroot
 * runs the rest), and the systemd unit. Needs root, debootstrap and the package archive; skipped, with the reason, without them. Run by
 * `npm run test:install`.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { buildImage, type Image, inRoot, runIn } from './containerfile.ts';
import { checkout, configuredRegistry } from './registry.ts';
import { Booted } from './systemd.ts';

/** Debian's suites by the tag of their image. */
const suites: Readonly<Record<string, string>> = { 'debian:13-slim': 'trixie' };
const certificates = process.env['NODE_EXTRA_CA_CERTS'];
const certificatesInside = '/etc/certificates-of-the-registry.crt';

function reasonToSkip(): string | false {
  if (process.getuid?.() !== 0) return 'chroot needs root';
  if (spawnSync('debootstrap', ['--version']).status !== 0) return 'debootstrap is not installed: apt-get install debootstrap';
  return false;
}

const skip = reasonToSkip();
/** Why there is no image although it was tried: the package archive does not answer. */
let unavailable: string | null = null;
const root = mkdtempSync(join(tmpdir(), 'penstock-image-'));
let image: Image;
const processes: ChildProcess[] = [];

/** The archive that this machine's apt uses; null if it uses none of Debian. */
function debianArchive(): string | null {
  const lines = execFileSync('apt-get', ['indextargets', '--format', '$(SITE)'], { encoding: 'utf8' }).split('\n');
  return lines.find((line) => /^https?:.*\/debian\/?$/.test(line)) ?? null;
}

class ArchiveAway extends Error {}

/**
 * Base images are made once and copied. Files that make apt and npm work in this network come from this machine. Throws `ArchiveAway` if the
 * packages cannot be downloaded.
 */
function debootstrap(name: string, folder: string): void {
  const suite = suites[name];
  assert(suite !== undefined, `no suite is known for ${name}`);
  const base = join(root, suite);
  if (!existsSync(base)) {
    const archive = debianArchive();
    if (archive === null) throw new ArchiveAway('apt of this machine has no archive of Debian');
    const made = spawnSync('debootstrap', ['--variant=minbase', suite, base, archive], { encoding: 'utf8' });
    const output = `${made.stdout}${made.stderr}`;
    const failure = /^E: (Failed getting release file|Couldn't download|Invalid Release file).*/m.exec(output)?.[0];
    if (failure !== undefined) throw new ArchiveAway(failure);
    assert.equal(made.status, 0, output);
    cpSync('/etc/resolv.conf', join(base, 'etc/resolv.conf'), { dereference: true });
    cpSync('/etc/apt/apt.conf.d', join(base, 'etc/apt/apt.conf.d'), { recursive: true });
    if (certificates !== undefined) cpSync(certificates, join(base, certificatesInside), { dereference: true });
  }
  execFileSync('cp', ['-a', `${base}/.`, folder]);
}

before(() => {
  if (skip !== false) return;
  const env = {
    npm_config_registry: configuredRegistry(),
    ...(certificates === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificatesInside }),
  };
  try {
    image = buildImage(join(checkout, 'Containerfile'), { context: checkout, folder: join(root, 'stages'), base: debootstrap, env });
  } catch (error) {
    if (!(error instanceof ArchiveAway)) throw error;
    unavailable = error.message;
  }
});

after(async () => {
  for (const child of processes) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(root, { recursive: true });
});

/** Starts a process as a container engine would: the image's user, folder and environment, and nothing of ours. */
function start(args: readonly string[], stdout: 'pipe' | 'ignore' = 'pipe'): ChildProcess {
  const script = 'cd "$0" && exec "$@"';
  const command = inRoot(image.root, image.user, ['/bin/sh', '-c', script, image.folder, ...args]);
  const child = spawn('unshare', command, { env: image.env, stdio: ['ignore', stdout, 'inherit'] });
  processes.push(child);
  return child;
}

async function exitOf(args: readonly string[]): Promise<number | null> {
  const child = start(args, 'ignore');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

async function startContainer(): Promise<{ server: ChildProcess; url: string }> {
  const server = start([...image.entrypoint, ...image.command, '--port', '0', '--log-level', 'warn']);
  assert(server.stdout !== null);
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /^penstock ready (http:\/\/\S+)$/.exec(line)?.[1];
    assert(url !== undefined, `expected the ready line, got: ${line}`);
    return { server, url };
  }
  throw new Error('the server ended before it was ready');
}

test('the image serves as an unprivileged user, is healthy only while it serves, and keeps its volume', { skip }, async (t) => {
  if (unavailable !== null) return t.skip(unavailable);
  assert.notEqual(image.user, 'root');
  assert(!existsSync(join(image.root, 'usr/bin/npm')), 'npm stays in the first stage');
  assert.deepEqual(image.volumes, [image.env['PENSTOCK_DATA_DIR']]);
  assert.equal(await exitOf(image.healthcheck), 1);

  const { server, url } = await startContainer();
  assert.notEqual(statSync(`/proc/${server.pid}`).uid, 0);
  assert.equal(await exitOf(image.healthcheck), 0);
  assert.equal(await exitOf([...image.entrypoint, 'deploy', 'catalogue:digits-mlp', 'digits', '--approve']), 0);
  await checkPredicts(url);
  server.kill('SIGTERM');
  assert.deepEqual(await once(server, 'exit'), [0, null]);

  const again = await startContainer();
  assert.equal(await exitOf([...image.entrypoint, 'describe', 'digits']), 0);
  again.server.kill('SIGTERM');
  assert.deepEqual(await once(again.server, 'exit'), [0, null]);
});

test('the systemd unit serves in the strongest isolation of an ordinary user, restarts after a crash, and drains', { skip }, async (t) => {
  if (unavailable !== null) return t.skip(unavailable);
  const machine = join(root, 'machine');
  mkdirSync(machine);
  debootstrap('debian:13-slim', machine);
  const path = '/usr/sbin:/usr/bin:/sbin:/bin';
  runIn(machine, { PATH: path }, 'apt-get -q update && apt-get install --no-install-recommends -qy systemd dbus');
  runIn(machine, { PATH: path }, 'useradd --system --home-dir /var/lib/penstock --shell /usr/sbin/nologin penstock');
  execFileSync('cp', ['-a', join(image.root, 'opt/penstock'), join(machine, 'opt/penstock')]);
  cpSync(join(checkout, 'docs/operate/penstock.service'), join(machine, 'etc/systemd/system/penstock.service'));

  const booted = await Booted.boot(machine);
  t.after(() => booted.end());
  booted.succeed('systemctl', 'enable', '--now', 'penstock');
  const status = await booted.until(/^ready +yes/m, 'penstock', 'status');
  assert.match(status, /^isolation +user namespaces \(user\)$/m);
  booted.succeed('penstock', 'deploy', 'catalogue:digits-mlp', 'digits', '--approve');

  const pidOf = (): string => booted.succeed('systemctl', 'show', '--property', 'MainPID', '--value', 'penstock').trim();
  const before = pidOf();
  booted.succeed('systemctl', 'kill', '--signal', 'KILL', 'penstock');
  await booted.until(/^endpoints +1 InService/m, 'penstock', 'status');
  assert.notEqual(pidOf(), before);

  booted.succeed('systemctl', 'stop', 'penstock');
  const log = booted.succeed('journalctl', '--no-pager', '--unit', 'penstock', '--boot');
  assert.match(log, /draining: not ready any more/);
  // On stop, systemd leaves the workers to the server.
  assert.doesNotMatch(log, /worker ended.*SIGTERM/);
});

async function checkPredicts(url: string): Promise<void> {
  const rows = readFileSync(join(checkout, 'assets/catalogue/digits_test.csv'), 'utf8').split('\n');
  const pixels = (rows[1] ?? '').split(',').map(Number);
  const label = pixels.pop();
  const response = await fetch(`${url}/v2/models/digits/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: pixels }], outputs: [{ name: 'label' }] }),
  });
  const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
  assert.deepEqual(outputs[0]?.data, [label]);
}

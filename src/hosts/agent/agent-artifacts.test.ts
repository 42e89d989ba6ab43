import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { silentLog } from '../../../test/hosts-fixture.ts';
import { VirtualClock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { WorkerLost } from '../../runtime/index.ts';
import { FileHasher, VerifiedFiles } from '../../storage/index.ts';
import type { ObjectRange } from '../link/object-ranges.ts';
import { AgentArtifacts } from './agent-artifacts.ts';
import type { SentArchive } from './agent-link.ts';

const hasher = new FileHasher();
const root = mkdtempSync('/tmp/penstock-artifacts-');
after(async () => {
  await hasher.close();
  rmSync(root, { recursive: true });
});

const rangeSize = 100;
const clock = new VirtualClock();
let held: Set<string>;
let folder: string;
let artifacts: AgentArtifacts;
beforeEach(async () => {
  held = new Set();
  folder = mkdtempSync(join(root, 'host-'));
  artifacts = new AgentArtifacts({ clock, log: silentLog, folder, bytesMax: 1000, verified: new VerifiedFiles(hasher), inUse: () => held });
  await artifacts.open();
});

function object(bytes: number, seed: string): { readonly sha256: string; readonly content: Buffer } {
  const content = Buffer.alloc(bytes, seed);
  return { sha256: createHash('sha256').update(content).digest('hex'), content };
}

/** A home with these objects. */
class Home {
  readonly objects: readonly { readonly sha256: string; readonly content: Buffer }[];
  readonly starts: number[] = [];
  open = 0;
  openMax = 0;
  endsAfter = Number.POSITIVE_INFINITY;

  /** By lock: the object that is its archive. */
  readonly archives = new Map<string, string>();

  constructor(...objects: readonly { readonly sha256: string; readonly content: Buffer }[]) {
    this.objects = objects;
  }

  async environment(lock: string): Promise<SentArchive> {
    const sha256 = this.archives.get(lock);
    if (sha256 === undefined) throw new PlatformError('forbidden', 'no worker of this host runs in it');
    return { sha256, bytes: 1, root: '/home', version: '3.11.7', platform: 'linux-x86_64' };
  }

  async range(sha256: string, start: number): Promise<ObjectRange> {
    this.starts.push(start);
    if (this.starts.length > this.endsAfter) throw new WorkerLost('cut');
    this.openMax = Math.max(this.openMax, ++this.open);
    await new Promise(setImmediate);
    this.open--;
    const found = this.objects.find((each) => each.sha256 === sha256);
    if (found === undefined) throw new PlatformError('forbidden', 'no worker of this host loads it');
    return { size: found.content.length, bytes: found.content.subarray(start, start + rangeSize) };
  }
}

test('an object is fetched once, in ranges, and then read from the disk', async () => {
  const one = object(950, 'a');
  const home = new Home(one);
  artifacts.setLink(home);
  const [path, again] = await Promise.all([artifacts.fetch(one.sha256), artifacts.fetch(one.sha256)]);
  assert.equal(path, again);
  assert.deepEqual(readFileSync(path), one.content);
  assert.deepEqual([home.starts.length, home.openMax], [10, 4]);
  artifacts.setLink(null);
  assert.equal(await artifacts.fetch(one.sha256), path);
});

test('an empty object is one range', async () => {
  const empty = object(0, 'a');
  artifacts.setLink(new Home(empty));
  assert.equal(readFileSync(await artifacts.fetch(empty.sha256)).length, 0);
});

test('a transfer goes on with the next home where the link broke', async () => {
  const one = object(950, 'b');
  const [first, second] = [new Home(one), new Home(one)];
  first.endsAfter = 5;
  artifacts.setLink(first);
  const fetching = artifacts.fetch(one.sha256);
  while (first.starts.length <= 5) await new Promise(setImmediate);
  artifacts.setLink(second);
  assert.deepEqual(readFileSync(await fetching), one.content);
  assert(!second.starts.includes(0));
});

test('without a link for long, and for objects that the home refuses, the fetch fails with the reason', async () => {
  const fetching = artifacts.fetch(object(10, 'c').sha256);
  await new Promise((resolve) => setTimeout(resolve, 20));
  clock.advance(60_000);
  await assert.rejects(fetching, { code: 'unavailable', message: /no link to the home/ });
  artifacts.setLink(new Home());
  await assert.rejects(artifacts.fetch(object(10, 'c').sha256), { code: 'forbidden' });
});

test('content that is not what its address says is refused, and nothing of it stays', async () => {
  const { content } = object(300, 'd');
  const { sha256 } = object(300, 'e');
  artifacts.setLink(new Home({ sha256, content }));
  await assert.rejects(artifacts.fetch(sha256), { code: 'unavailable', message: /damaged/ });
  assert.deepEqual(
    readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
    [],
  );
});

test('an object whose size changes is refused', async () => {
  const one = object(300, 'f');
  const home = new Home(one);
  artifacts.setLink({
    environment: (lock) => home.environment(lock),
    range: async (sha256, start) => ({ ...(await home.range(sha256, start)), size: start === 0 ? 300 : 2 ** 50 }),
  });
  await assert.rejects(artifacts.fetch(one.sha256), { code: 'unavailable', message: /changed while it was fetched/ });
});

test('old copies make room for new ones, but none that a worker uses', async () => {
  const objects = ['g', 'h', 'i', 'j'].map((seed) => object(400, seed));
  artifacts.setLink(new Home(...objects));
  const paths: string[] = [];
  held.add(objects[0]?.sha256 ?? '');
  for (const { sha256 } of objects) {
    paths.push(await artifacts.fetch(sha256));
    clock.advance(11 * 60_000);
  }
  assert.deepEqual(
    paths.map((path) => existsSync(path)),
    [true, false, false, true],
  );
});

test('a full disk fails the fetch with what to do, and nothing of the object stays', async (t) => {
  const disk = mkdtempSync(join(root, 'disk-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status !== 0) return t.skip('no file system can be mounted');
  t.after(() => spawnSync('umount', [disk]));
  const verified = new VerifiedFiles(hasher);
  const onDisk = new AgentArtifacts({ clock, log: silentLog, folder: join(disk, 'o'), bytesMax: 2 ** 20, verified, inUse: () => held });
  const large = object(200_000, 'k');
  const range = async (_: string, start: number) => ({ size: 200_000, bytes: large.content.subarray(start, start + 50_000) });
  onDisk.setLink({ range, environment: (lock) => new Home().environment(lock) });
  await assert.rejects(onDisk.fetch(large.sha256), { code: 'unavailable', message: /the disk is full/ });
  assert.deepEqual(
    readdirSync(disk, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
    [],
  );
});

test('the archive of an environment is fetched as an object, from the next home if the link breaks, and dropped when it is not needed', async () => {
  const one = object(250, 'l');
  const home = new Home(one);
  home.archives.set('lock', one.sha256);
  const cut = {
    environment: () => Promise.reject(new WorkerLost('cut')),
    range: (sha256: string, start: number) => home.range(sha256, start),
  };
  artifacts.setLink(cut);
  const fetching = artifacts.environment('lock');
  await new Promise(setImmediate);
  artifacts.setLink(home);
  const { path, root: of, version, drop } = await fetching;
  assert.deepEqual([readFileSync(path).equals(one.content), of, version], [true, '/home', '3.11.7']);
  await drop();
  assert.equal(existsSync(path), false);
  await assert.rejects(artifacts.environment('other'), { code: 'forbidden' });
});

test('an archive whose bytes are not those of its hash is refused, and one that no host stores is not fetched', async () => {
  const one = object(250, 'm');
  const home = new Home({ sha256: one.sha256, content: Buffer.alloc(250, 'n') });
  home.archives.set('lock', one.sha256);
  artifacts.setLink(home);
  await assert.rejects(artifacts.environment('lock'), { code: 'unavailable', message: /damaged/ });
  const range = (): never => assert.fail('nothing is fetched');
  artifacts.setLink({ range, environment: async (lock) => ({ ...(await home.environment(lock)), bytes: 2 ** 40 }) });
  await assert.rejects(artifacts.environment('lock'), { code: 'too_large' });
});

/** Objects that a host reads from other hosts, over real TLS: with each fault, the bytes are right and the home sends what is missing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { silentLog, until } from '../../../test/hosts-fixture.ts';
import { TestCluster } from '../../../test/links-fixture.ts';
import { PeerFixture } from '../../../test/peer-fixture.ts';
import { SystemClock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { dialHost } from '../../links/index.ts';
import { FileHasher, VerifiedFiles } from '../../storage/index.ts';
import { HostChannel } from '../link/host-channel.ts';
import { hostKinds, jsonFrame } from '../link/host-frames.ts';
import { type ObjectRange, rangeBytes, readFileRange } from '../link/object-ranges.ts';
import type { HomePeers, ObjectPeer } from '../link/peer-messages.ts';
import { RangeDigests } from '../range-digests.ts';
import { AgentArtifacts } from './agent-artifacts.ts';
import type { SentArchive } from './agent-link.ts';

const objectBytes = 20 * rangeBytes - 1000;
const clock = new SystemClock();

describe('objects from other hosts', () => {
  const hasher = new FileHasher();
  const root = mkdtempSync('/tmp/penstock-peers-');
  const content = randomBytes(objectBytes);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const path = join(root, 'object');
  let cluster: TestCluster;
  let hosts: PeerFixture[];
  let reader: PeerFixture;
  let artifacts: AgentArtifacts;
  let home: Home;

  /** The home, which has the object. */
  class Home {
    readonly digests = new RangeDigests();
    readonly wrong: string[] = [];
    readonly without: string[] = [];
    copies: readonly string[] = [];
    bytes = 0;
    found: readonly ObjectPeer[] = [];

    async environment(): Promise<SentArchive> {
      throw new PlatformError('forbidden', 'there are no environments');
    }

    async range(_: string, start: number): Promise<ObjectRange> {
      const range = await readFileRange(path, start);
      this.bytes += range.bytes.length;
      return range;
    }

    readonly peers: HomePeers = {
      find: async (_, without) => {
        this.without.push(...without);
        return this.found;
      },
      digests: (address, start) => this.digests.of(address, path, start),
      sentWrongBytes: (host) => void this.wrong.push(host),
      hasCopies: (copies) => {
        this.copies = copies;
      },
    };
  }

  const openArtifacts = (folder = mkdtempSync(join(root, 'reader-'))): AgentArtifacts =>
    new AgentArtifacts({
      clock,
      log: silentLog,
      folder,
      bytesMax: 2 ** 30,
      verified: new VerifiedFiles(hasher),
      peers: reader.links,
      inUse: () => new Set(),
    });

  /** A host that serves this file, which the reader may read. */
  const openPeer = async (name: string, file = path, locate = async () => ({ path: file, size: null })): Promise<PeerFixture> => {
    const host = await PeerFixture.open(cluster, name);
    hosts.push(host);
    await host.serve({ locate });
    host.grants.add({ host: 'reader', sha256, forMs: 60_000 });
    return host;
  };

  const fetchAll = async (): Promise<void> => assert(readFileSync(await artifacts.fetch(sha256)).equals(content), 'the bytes are right');

  before(async () => {
    writeFileSync(path, content);
    cluster = await TestCluster.create();
  });
  beforeEach(async () => {
    reader = await PeerFixture.open(cluster, 'reader');
    hosts = [reader];
    home = new Home();
    artifacts = openArtifacts();
    artifacts.setLink(home);
  });
  afterEach(async () => {
    for (const host of hosts) await host.close();
  });
  after(async () => {
    await hasher.close();
    rmSync(root, { recursive: true });
  });

  test('of a large object, the home sends the first range, and the hosts that have it the rest', async (t) => {
    const [one, two] = [await openPeer('one'), await openPeer('two')];
    home.found = [one.peer, two.peer];
    await fetchAll();
    t.diagnostic(`of ${objectBytes} bytes the home sent ${home.bytes}; without other hosts it sends all`);
    assert.equal(home.bytes, rangeBytes);
    assert.equal(one.sentBytes + two.sentBytes, objectBytes - rangeBytes);
    assert(Math.min(one.sentBytes, two.sentBytes) >= 4 * rangeBytes, 'both send');
  });

  test('without other hosts, and with a home of an earlier version, the home sends all', async () => {
    await fetchAll();
    assert.equal(home.bytes, objectBytes);
    artifacts = openArtifacts();
    artifacts.setLink({ range: (address, start) => home.range(address, start), environment: () => home.environment() });
    await fetchAll();
    assert.equal(home.bytes, 2 * objectBytes);
  });

  test('a host that ends in the middle is replaced by the home', async () => {
    const one: PeerFixture = await openPeer('one', path, async () => {
      if (one.sentBytes >= 4 * rangeBytes) void one.close();
      return { path, size: null };
    });
    home.found = [one.peer];
    await fetchAll();
    assert(home.bytes < objectBytes, 'some of it came from the host');
    assert(home.bytes > 10 * rangeBytes);
  });

  test('a host that sends nothing is given up for the home after three ranges, and no range waits for it longer than a stall', async () => {
    const never = Promise.withResolvers<{ path: string; size: null }>();
    let requests = 0;
    const one = await openPeer('one', path, () => (requests++, never.promise));
    home.found = [one.peer];
    await fetchAll();
    never.resolve({ path, size: null });
    assert.equal(home.bytes, objectBytes);
    assert(requests <= 8, `${requests} ranges were requested`);
  });

  test('wrong bytes of a host are not used: the home sends them, and learns which host it was', async () => {
    const wrong = join(root, 'wrong');
    const bytes = Buffer.from(content);
    bytes[5 * rangeBytes + 17] = (bytes[5 * rangeBytes + 17] as number) ^ 1;
    writeFileSync(wrong, bytes);
    const [one, two] = [await openPeer('one', wrong), await openPeer('two')];
    home.found = [one.peer, two.peer];
    await fetchAll();
    assert(home.wrong.every((host) => host === 'one'));
    home.found = [one.peer];
    artifacts = openArtifacts();
    artifacts.setLink(home);
    await fetchAll();
    assert(home.wrong.includes('one'));
    assert(home.bytes > 10 * rangeBytes, 'the home sent the rest');
  });

  test('a host whose object has another size is not used', async () => {
    const short = join(root, 'short');
    writeFileSync(short, content.subarray(0, 10 * rangeBytes));
    home.found = [(await openPeer('one', short)).peer];
    await fetchAll();
    assert.deepEqual([home.wrong[0], home.bytes], ['one', objectBytes]);
  });

  test('a host serves nothing that the home has not granted, nor to another host, nor after the time of the grant', async () => {
    const one = await openPeer('one');
    const other = createHash('sha256').update('other').digest('hex');
    await assert.rejects(reader.links.range(one.peer, other, 0), { code: 'forbidden', message: /has not granted host reader/ });
    const third = await PeerFixture.open(cluster, 'third');
    hosts.push(third);
    await assert.rejects(third.links.range(one.peer, sha256, 0), { code: 'forbidden' });
    one.grants.add({ host: 'reader', sha256, forMs: 0 });
    await assert.rejects(reader.links.range(one.peer, sha256, 0), { code: 'forbidden' });
    home.found = [one.peer];
    await fetchAll();
    assert.equal(home.bytes, objectBytes);
  });

  test('a host that the home does not mean, or without a certificate of this cluster, is not read from', async () => {
    const foreign = await TestCluster.create();
    const range = (peer: ObjectPeer): Promise<unknown> => reader.links.range(peer, sha256, 0);
    const one = await openPeer('one');
    await assert.rejects(range({ ...one.peer, host: 'two' }), { code: 'unavailable', message: /it is the host one/ });
    for (const [identity, reason] of [
      [await foreign.identityOf({ role: 'host', name: 'x' }), /not issued by an authority|refused|closed/],
      [await cluster.identityOf({ role: 'node', name: 'x' }), /it is the node x/],
      [await cluster.identityOf({ role: 'host', name: 'x' }, Date.now() - 3 * 86_400_000), /expired/],
    ] as const) {
      const host = await PeerFixture.open(cluster, 'x', identity);
      hosts.push(host);
      await host.serve({ locate: async () => ({ path, size: null }) });
      await assert.rejects(range(host.peer), { code: 'unavailable', message: reason });
    }
  });

  test('only hosts of this cluster are served: no node, no other cluster, no expired certificate', async () => {
    const foreign = await TestCluster.create();
    const one = await openPeer('one');
    for (const identity of [
      await foreign.identityOf({ role: 'host', name: 'reader' }),
      await cluster.identityOf({ role: 'node', name: 'reader' }),
      await cluster.identityOf({ role: 'host', name: 'reader' }, Date.now() - 3 * 86_400_000),
    ]) {
      const trusting = { ...identity, authorities: cluster.cert };
      const dial = { clock, ...one.peer, identity: trusting, limitMs: 5000, signal: AbortSignal.timeout(10_000) };
      await assert.rejects(dialHost(dial), { code: 'unavailable' });
    }
    assert.equal(one.sentBytes, 0);
  });

  for (const [what, send] of [
    ['more than 32 ranges at once', (channel: HostChannel) => flood(channel, { sha256, start: 0 })],
    ['a command of a home', (channel: HostChannel) => channel.send(1, jsonFrame(1, hostKinds.command, { method: 'grant', epoch: 9 }))],
    ['a start that is no number', (channel: HostChannel) => channel.send(1, jsonFrame(1, hostKinds.fetch, { sha256, start: 'x' }))],
  ] as const)
    test(`${what} ends the link of a host, and others are served`, async () => {
      const one = await openPeer('one');
      const identity = await cluster.identityOf({ role: 'host', name: 'liar' });
      one.grants.add({ host: 'liar', sha256, forMs: 60_000 });
      const socket = await dialHost({ clock, ...one.peer, identity, limitMs: 5000, signal: AbortSignal.timeout(10_000) });
      const ended = Promise.withResolvers<string>();
      send(new HostChannel(socket, { clock, onFrame: () => undefined, onEnd: ended.resolve }));
      await ended.promise;
      assert.equal((await reader.links.range(one.peer, sha256, 0)).bytes.length, rangeBytes);
    });

  test('what a host is still fetching is read from it as it arrives', async () => {
    const middle = await PeerFixture.open(cluster, 'middle');
    hosts.push(middle);
    const slow = new Home();
    const gate = Promise.withResolvers<void>();
    const range = async (address: string, start: number): Promise<ObjectRange> => {
      if (start >= 6 * rangeBytes) await gate.promise;
      return slow.range(address, start);
    };
    const first = openArtifacts();
    first.setLink({ range, environment: () => slow.environment() });
    await middle.serve(first);
    middle.grants.add({ host: 'reader', sha256, forMs: 60_000 });
    const fetching = first.fetch(sha256);
    home.found = [middle.peer];
    const reading = fetchAll();
    await until(() => middle.sentBytes >= 4 * rangeBytes, 'the first part is read');
    gate.resolve();
    await Promise.all([fetching, reading]);
    assert(home.bytes < objectBytes / 2, `the home sent ${home.bytes} bytes`);
  });

  test('the home learns which objects a host has', async () => {
    await fetchAll();
    await until(() => home.copies.includes(sha256), 'the copy is reported');
  });

  test('a full disk fails the fetch with what to do, and nothing of the object stays', async (t) => {
    const disk = mkdtempSync(join(root, 'disk-'));
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]).status !== 0) return t.skip('no file system can be mounted');
    t.after(() => spawnSync('umount', [disk]));
    home.found = [(await openPeer('one')).peer];
    artifacts = openArtifacts(join(disk, 'objects'));
    artifacts.setLink(home);
    await assert.rejects(artifacts.fetch(sha256), { code: 'unavailable', message: /the disk is full/ });
    assert.deepEqual(
      readdirSync(disk, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
      [],
    );
    await assert.rejects(artifacts.locate(sha256, 0), { code: 'not_found' });
  });
});

function flood(channel: HostChannel, range: object): void {
  for (let call = 1; call <= 40; call++) channel.send(call, jsonFrame(call, hostKinds.fetch, range));
}

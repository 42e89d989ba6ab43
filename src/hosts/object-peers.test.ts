import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { choosePeers } from './choose-peers.ts';
import { type AskingHost, grantMs, ObjectPeers } from './object-peers.ts';

const sha256 = 'a'.repeat(64);

interface TestHost extends AskingHost {
  readonly grants: string[];
}

function host(name: string, changes: Partial<AskingHost> = {}): TestHost {
  const grants: string[] = [];
  const grant = async (to: string, object: string, forMs: number): Promise<void> => void grants.push(`${to} ${object === sha256} ${forMs}`);
  return { name, zone: 'z', address: `10.0.0.${name.slice(1)}:5000`, servePort: 8004, has: () => false, grant, grants, ...changes };
}

function opened(...hosts: readonly AskingHost[]): { readonly peers: ObjectPeers; readonly wrong: string[]; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  const wrong: string[] = [];
  const onWrongBytes = (from: string, _: string, to: string): void => void wrong.push(`${from} to ${to}`);
  return { peers: new ObjectPeers({ clock, hosts: () => hosts, onWrongBytes }), wrong, clock };
}

const names = async (found: Promise<readonly { readonly host: string }[]>): Promise<string[]> => (await found).map((each) => each.host);

test('a host that has the object is named with its address, once it knows that the asking one may read it', async () => {
  const [one, two] = [host('h1', { has: () => true }), host('h2')];
  const { peers } = opened(one, two);
  assert.deepEqual(await peers.find(two, sha256, []), [{ host: 'h1', address: '10.0.0.1:8004' }]);
  assert.deepEqual(one.grants, [`h2 true ${grantMs}`]);
});

test('hosts that start at once read from those that asked before, never in a circle', async () => {
  const hosts = Array.from({ length: 100 }, (_, index) => host(`h${index}`));
  const { peers } = opened(...hosts);
  const from = new Map<string, readonly string[]>();
  for (const each of hosts) from.set(each.name, await names(peers.find(each, sha256, [])));
  assert.deepEqual([from.get('h0'), from.get('h1')], [[], ['h0']]);
  const depths = new Map<string, number>();
  for (const { name } of hosts) depths.set(name, 1 + Math.max(0, ...(from.get(name) ?? []).map((each) => depths.get(each) ?? Infinity)));
  assert.equal([...from.values()].filter((each) => each.length === 0).length, 1, 'one reads from the home');
  assert(Math.max(...depths.values()) <= 10, `the last one is ${Math.max(...depths.values())} hosts from the home`);
  for (const { name } of hosts) assert([...from.values()].filter((each) => each.includes(name)).length <= 4, `${name} serves 4 at most`);
  assert.deepEqual(await names(peers.find(hosts[0] as TestHost, sha256, [])), [], 'asked again, the first one still has no one before it');
});

test('a host is not named that serves none, cannot be reached, was refused, or cannot be told', async () => {
  const has = (): boolean => true;
  const asker = host('h9');
  const refused = Promise.reject(new Error('the link is lost'));
  refused.catch(() => undefined);
  const { peers } = opened(
    asker,
    host('h1', { has, servePort: null }),
    host('h2', { has, address: null }),
    host('h3', { has, address: '127.0.0.1:1' }),
    host('h4', { has, grant: () => refused }),
    host('h5', { has }),
  );
  assert.deepEqual(await names(peers.find(asker, sha256, ['h5'])), []);
  assert.deepEqual(await names(peers.find(asker, sha256, [])), ['h5']);
});

test('hosts of one machine reach one another by its loopback address', async () => {
  const one = host('h1', { has: () => true, address: '[::1]:4000' });
  const { peers } = opened(one);
  assert.deepEqual(await peers.find(host('h2', { address: '127.0.0.1:4001' }), sha256, []), [{ host: 'h1', address: '[::1]:8004' }]);
});

test('a host that has fetched the object, or has not asked for a minute, reads from no one', async () => {
  const one = host('h1', { has: () => true });
  const askers = ['h2', 'h3', 'h4', 'h5'].map((name) => host(name));
  const { peers, clock } = opened(one);
  for (const each of askers) await peers.find(each, sha256, []);
  const last = host('h6');
  assert.deepEqual(await names(peers.find(last, sha256, [])), [], 'four read from it');
  peers.fetched('h2', new Set([sha256]));
  assert.deepEqual(await names(peers.find(last, sha256, [])), ['h1']);
  clock.advance(60_001);
  assert.deepEqual(await names(peers.find(host('h7'), sha256, [])), ['h1']);
});

test('wrong bytes are reported once, and only by a host that reads there', async () => {
  const [one, two] = [host('h1', { has: () => true }), host('h2')];
  const { peers, wrong } = opened(one, two);
  peers.sentWrongBytes('h1', sha256, 'h2');
  await peers.find(two, sha256, []);
  peers.sentWrongBytes('h9', sha256, 'h2');
  peers.sentWrongBytes('h1', sha256, 'h2');
  peers.sentWrongBytes('h1', sha256, 'h2');
  assert.deepEqual(wrong, ['h1 to h2']);
});

test('of the hosts with room, those of the zone come first, then those next to the home, then the least busy', () => {
  const candidate = (name: string, zone: string, readers: number, depth: number) => ({ name, zone, readers, depth });
  const chosen = (...candidates: readonly ReturnType<typeof candidate>[]) => choosePeers('z', candidates).map(({ name }) => name);
  assert.deepEqual(chosen(candidate('a', 'y', 0, 0), candidate('b', 'z', 3, 2), candidate('c', 'z', 4, 0)), ['b', 'a']);
  assert.deepEqual(chosen(candidate('a', 'z', 1, 1), candidate('b', 'z', 0, 2), candidate('c', 'z', 0, 1)), ['c', 'a']);
  assert.deepEqual(chosen(), []);
});

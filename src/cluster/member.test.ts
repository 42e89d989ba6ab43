import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ClusterFixture, isDeposed, pass, passUntil } from '../../test/cluster/cluster-fixture.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { PlatformError } from '../errors.ts';
import { type Database, inTransaction } from '../storage/index.ts';
import { readClusterState } from './cluster-state.ts';
import { describeNodes } from './describe-nodes.ts';
import { asController, asOwner, type SlotOwnership } from './fences.ts';
import { removeNode } from './remove-node.ts';
import { slotCount } from './slot-of.ts';

describe('a cluster of nodes on one PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-cluster-')));
  });
  after(async () => server?.stop());

  const write = async () => 'written';

  test('its first node is the controller and owns all slots', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const a = await cluster.join('a');
    await pass([a]);
    assert.equal(a.member.term?.epoch, 1);
    assert.equal(a.member.owned.size, slotCount);
    assert.equal(a.log.length, slotCount);
    const first = a.member.owned.get(0) as SlotOwnership;
    assert.equal(await asOwner(a.db, first, write), 'written');
  });

  test('slots move to nodes that join, each one after its owner handed it over', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const a = await cluster.join('a');
    await pass([a]);
    const nodes = [a, await cluster.join('b'), await cluster.join('c')];
    const [, b, c] = nodes as [typeof a, typeof a, typeof a];
    assert.deepEqual(
      nodes.map(({ member }) => member.self.number),
      [1, 2, 3],
    );
    await passUntil(nodes, () => b.member.owned.size === 85 && c.member.owned.size === 85);
    assert.deepEqual(await cluster.owners(), { a: 86, b: 85, c: 85 });
    const handedOver = a.log.filter((line) => line.startsWith('handing over')).map((line) => line.replace('handing over', 'taken'));
    assert.deepEqual(new Set([...b.log, ...c.log]), new Set(handedOver));
    assert.equal(handedOver.length, 170);
    await pass(nodes, 50_000);
    assert.equal(a.log.length, slotCount + 170, 'a balanced cluster moves nothing');
  });

  test('leave the role to others that should have it first, as long as these live', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const a = await cluster.join('a');
    const seen: string[][] = [];
    const mayClaim = async (others: readonly { readonly name: string }[]): Promise<boolean> => {
      seen.push(others.map(({ name }) => name));
      return others.length === 0;
    };
    const b = await cluster.join('b', { mayClaim });
    const c = await cluster.join('c');
    await pass([a, b, c]);
    await a.member.close();
    await pass([b, c]);
    assert.equal(c.member.term?.epoch, 2, 'c has it, although b came first');
    assert.deepEqual(seen, [['c']]);
    await cluster.expire('c');
    await passUntil([b], () => b.member.term !== null);
    assert.deepEqual(seen.at(-1), [], 'c is suspected of having stopped');
  });

  test('rejects a second node of a name while the first is live, and takes its place afterwards', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const a = await cluster.join('a');
    await pass([a]);
    const isRejected = (error: unknown): boolean => error instanceof PlatformError && /a live node .* is named a:/.test(error.message);
    await assert.rejects(cluster.join('a'), isRejected);
    await cluster.expire('a');
    const next = await cluster.join('a');
    assert.deepEqual(next.member.self, { name: 'a', number: 1, incarnation: 2 });
    await pass([next]);
    assert.equal(next.member.owned.size, slotCount);
    // The first process was paused, and finds another one in its place.
    await assert.rejects(asOwner(a.db, a.member.owned.get(7) as SlotOwnership, write), isDeposed);
    await assert.rejects(a.member.renew(), isRejected);
    assert.equal(a.member.owned.size, 0);
    assert.equal(a.log.filter((line) => line.startsWith('lost')).length, slotCount);
  });

  test('a node that was paused loses its slots, cannot write as their owner, and joins again', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const [a, b] = [await cluster.join('a'), await cluster.join('b')];
    await passUntil([a, b], () => b.member.owned.size === slotCount / 2);
    const [mine] = b.member.owned.values();
    assert(mine !== undefined);
    await cluster.expire('b');
    await pass([a], 25_000);
    assert.deepEqual(await cluster.owners(), { a: 128, b: 128 }, 'not before a whole lease was missed');
    b.clock.advance(25_000);
    assert.equal(b.member.isCertain, true);
    await pass([a], 15_000);
    b.clock.advance(10_000);
    assert.deepEqual(await cluster.owners(), { a: 256 });
    assert.equal(b.member.isCertain, false);
    await assert.rejects(asOwner(b.db, mine, write), isDeposed);
    await b.member.renew();
    assert.equal(b.member.owned.size, 0);
    assert.equal(b.member.self.incarnation, 2);
    assert(b.log.includes(`lost ${mine.slot}`));
    await passUntil([a, b], () => b.member.owned.size === slotCount / 2);
    await assert.rejects(asOwner(b.db, mine, write), isDeposed);
  });

  test('a dead node can be removed, a live one not; its process does not join again, another one under its name does', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const [a, b] = [await cluster.join('a'), await cluster.join('b')];
    const remove = (name: string): Promise<void> => inTransaction(a.db, (tx) => removeNode(tx, name));
    await passUntil([a, b], () => b.member.owned.size === slotCount / 2);
    await assert.rejects(remove('b'), { code: 'wrong_state', message: /node b is live \(stands by\): stop its process first/ });
    await assert.rejects(remove('a'), { code: 'wrong_state', message: /node a is live \(serves\).* another node serves/ });
    await assert.rejects(remove('c'), { code: 'not_found', message: 'there is no node c: the nodes are a, b' });
    await cluster.expire('b');
    await assert.rejects(remove('b'), { code: 'wrong_state', message: /does not respond.*within some seconds/ });
    await passUntil([a], () => a.member.owned.size === slotCount);
    await remove('b');
    const shown = async (): Promise<string[]> => describeNodes(await readClusterState(a.db)).map(({ name }) => name);
    assert.deepEqual(await shown(), ['a']);
    await b.member.renew();
    assert.equal(b.member.isRemoved, true);
    assert.deepEqual(await shown(), ['a']);
    await assert.rejects(remove('b'), { code: 'not_found' });
    const next = await cluster.join('b');
    assert.deepEqual(next.member.self, { name: 'b', number: 2, incarnation: 2 });
    await passUntil([a, next], () => next.member.owned.size === slotCount / 2);
    assert.deepEqual(await shown(), ['a', 'b']);
  });

  test('a killed node is replaced before its lease runs out', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const [a, b] = [await cluster.join('a'), await cluster.join('b')];
    await passUntil([a, b], () => b.member.owned.size === slotCount / 2);
    await cluster.endPresence(a);
    await pass([b], 15_000);
    assert.equal(b.member.owned.size, slotCount);
    assert.equal(b.member.term?.epoch, 2);
  });

  test('a connection that breaks moves no slot and no role', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const nodes = [await cluster.join('a'), await cluster.join('b')];
    await passUntil(nodes, async () => (await cluster.owners())['b'] === 128);
    const before = await cluster.psql('select slot, holder, epoch from cluster_slots order by slot');
    for (let times = 0; times < 5; times++) {
      await server.terminateSessions();
      for (const { db } of nodes) await untilReachable(db);
      await pass(nodes, 20_000);
    }
    assert.equal(await cluster.psql('select slot, holder, epoch from cluster_slots order by slot'), before);
    assert.equal(nodes[0]?.member.term?.epoch, 1);
  });

  test('another node takes the role of a controller that stopped, which then can change nothing', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const [a, b] = [await cluster.join('a'), await cluster.join('b')];
    await passUntil([a, b], () => b.member.owned.size === slotCount / 2);
    const { term } = a.member;
    assert(term !== null);
    await cluster.expire('a');
    await passUntil([b], () => b.member.owned.size === slotCount);
    assert.equal(b.member.term?.epoch, term.epoch + 1);
    await assert.rejects(asController(a.db, term, write), isDeposed);
    assert.equal(await asController(b.db, b.member.term, write), 'written');
  });

  test('no slot moves because of a restart of the database, though all leases ran out', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const nodes = [await cluster.join('a'), await cluster.join('b'), await cluster.join('c')];
    const [a, b, c] = nodes as [(typeof nodes)[number], (typeof nodes)[number], (typeof nodes)[number]];
    await passUntil(nodes, async () => Object.values(await cluster.owners()).every((count) => count <= 86) && b.member.owned.size >= 85);
    const epochs = (): Promise<string> => cluster.psql('select slot, holder, epoch from cluster_slots order by slot');
    const before = await epochs();
    const { term } = a.member;
    await server.shutDown('immediate');
    for (const { member, clock } of nodes) {
      clock.advance(5000);
      await assert.rejects(member.renew());
      await assert.rejects(member.round());
    }
    await server.start();
    await cluster.expire();
    for (const { db } of nodes) await untilReachable(db);
    // The other nodes are first, and find all leases run out.
    await pass([b, c], 25_000);
    await pass(nodes, 50_000);
    assert.equal(await epochs(), before);
    assert.deepEqual(a.member.term, term);
    // A node that does not come back loses its slots all the same.
    await cluster.expire('c');
    await passUntil([a, b], async () => (await cluster.owners())['c'] === undefined);
  });

  test('the clocks of machines decide nothing, and their offsets are measured', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const nodes = [await cluster.join('a', { clockAheadMs: 600_000 }), await cluster.join('b', { clockAheadMs: -600_000 })];
    await passUntil(nodes, async () => (await cluster.owners())['b'] === 128);
    await pass(nodes, 100_000);
    assert.deepEqual(await cluster.owners(), { a: 128, b: 128 });
    for (const { member, clock } of nodes) {
      const expectedMs = clock.wallMs() - Date.now();
      assert(Math.abs(expectedMs) > 400_000 && Math.abs(member.clockOffsetMs - expectedMs) < 1000, `${member.clockOffsetMs} ms`);
    }
  });

  test('a slot stays with its owner if the node that was to have it dies first', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const a = await cluster.join('a');
    await pass([a]);
    const b = await cluster.join('b');
    const { promise, resolve } = Promise.withResolvers<void>();
    a.handOvers = promise;
    await passUntil([a, b], () => a.log.includes('handing over 0'));
    await cluster.expire('b');
    await passUntil([a], async () => (await readClusterState(a.db)).nodes.every(({ name, isLive }) => name !== 'b' || !isLive));
    resolve();
    await passUntil([a], () => a.log.filter((line) => line === 'taken 0').length === 2);
    assert.deepEqual(await cluster.owners(), { a: 256 });
    assert.equal(await asOwner(a.db, a.member.owned.get(0) as SlotOwnership, write), 'written');
  });

  test('a node that leaves hands its slots over first, or frees them at once', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const nodes = [await cluster.join('a'), await cluster.join('b'), await cluster.join('c')];
    const [a, b, c] = nodes as [(typeof nodes)[number], (typeof nodes)[number], (typeof nodes)[number]];
    await passUntil(nodes, () => c.member.owned.size === 85 && b.member.owned.size === 85);
    await c.member.drain();
    await passUntil(nodes, () => c.member.owned.size === 0);
    assert.equal(
      c.log.some((line) => line.startsWith('lost')),
      false,
    );
    await c.member.close();
    await passUntil([a, b], () => a.member.owned.size === 128 && b.member.owned.size === 128);
    await a.member.close();
    assert.equal(a.log.filter((line) => line.startsWith('handing over')).length >= 128, true);
    await pass([b]);
    assert.equal(b.member.owned.size, slotCount);
    assert.equal(b.member.term?.epoch, 2);
  });

  test('a process that freezes within a transaction delays a take-over by two seconds at most', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    const [a, b] = [await cluster.join('a'), await cluster.join('b')];
    await passUntil([a, b], () => b.member.owned.size === slotCount / 2);
    const [mine] = b.member.owned.values();
    const inside = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const frozen = asOwner(b.db, mine as SlotOwnership, async (tx) => {
      inside.resolve();
      await goOn.promise;
      await tx.selectFrom('cluster_slots').selectAll().execute();
    });
    await inside.promise;
    await cluster.expire('b');
    await passUntil([a], () => a.member.owned.size === slotCount);
    goOn.resolve();
    await assert.rejects(frozen, (error) => error instanceof PlatformError && error.code === 'unavailable');
  });
});

async function untilReachable(db: Database): Promise<void> {
  while (
    !(await readClusterState(db).then(
      () => true,
      () => false,
    ))
  )
    await new Promise((resolve) => setTimeout(resolve, 20));
}

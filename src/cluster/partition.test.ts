import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { ClusterFixture } from '../../test/cluster/cluster-fixture.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { TcpProxy } from '../../test/tcp-proxy.ts';
import { SystemClock } from '../clock.ts';
import { SeededRandom } from '../random.ts';
import { type Database, openDatabase, Presence } from '../storage/index.ts';
import { asOwner } from './fences.ts';
import { Member } from './member.ts';
import { slotCount } from './slot-of.ts';

interface ProxiedNode {
  readonly name: string;
  readonly proxy: TcpProxy;
  readonly db: Database;
  readonly member: Member;
}

describe('three nodes, of which one after the other is cut off from the database', { skip: whyNoPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-partition-')));
  });
  after(async () => server?.stop());

  test('never have two owners of a slot that write, and the slots of the lost one go to the others', async (t) => {
    const cluster = await ClusterFixture.create(t, server);
    await cluster.psql('create table writes (seq bigserial, slot int, epoch bigint, name text)');
    const clock = new SystemClock();
    const limits = { renewEveryMs: 100, roundEveryMs: 100, ttlMs: 900, absentMs: 500, movesMax: 64 };
    const nodes: ProxiedNode[] = [];
    for (const name of ['a', 'b', 'c']) {
      const proxy = await TcpProxy.start(server.port);
      const { db, close } = await openDatabase({ url: proxy.urlOf(cluster.url), limits: { connectMs: 500, statementMs: 400 } });
      const handlers = { taken: () => undefined, beforeHandOver: async () => undefined, lost: () => undefined };
      const description = { name, version: '0' };
      const openPresence = (key: number): Promise<Presence> => Presence.open(proxy.urlOf(cluster.url), key, { clock, connectMs: 500 });
      const member = await Member.join({ db, clock, node: description, handlers, openPresence, limits, onFailure: () => undefined });
      member.open();
      nodes.push({ name, proxy, db, member });
      t.after(async () => {
        proxy.resume();
        await member.close();
        await close();
        proxy.close();
      });
    }
    let isOver = false;
    const writers = nodes.map(async (node, i) => {
      const random = new SeededRandom(i + 1);
      while (!isOver) {
        const owned = [...node.member.owned.values()];
        const ownership = owned[Math.floor(random.next() * owned.length)];
        const insert = (slot: number, epoch: number) =>
          sql`insert into writes (slot, epoch, name) values (${slot}, ${epoch}, ${node.name})`;
        if (ownership !== undefined) {
          const { slot, epoch } = ownership;
          await asOwner(node.db, ownership, async (tx) => insert(slot, epoch).execute(tx)).catch(() => undefined);
        }
        await new Promise((resolve) => clock.after(5, () => resolve(null)));
      }
    });
    const counts = (): number[] => nodes.map(({ member }) => member.owned.size);
    const isBalanced = (): boolean => counts().every((count) => count >= 85) && counts().reduce((a, b) => a + b) === slotCount;
    await until(isBalanced);
    for (const lost of nodes) {
      const others = nodes.filter((node) => node !== lost);
      lost.proxy.hang();
      await until(() => others.reduce((sum, { member }) => sum + member.owned.size, 0) === slotCount);
      assert.equal(lost.member.isCertain, false, 'it knows that it may have lost its slots');
      lost.proxy.resume();
      await until(isBalanced);
      assert(lost.member.self.incarnation >= 2); // more on a machine that is too slow to renew in time
    }
    isOver = true;
    await Promise.all(writers);

    assert(Number(await cluster.psql('select count(*) from writes')) > 100);
    const twoOwners = 'select count(*) from (select 1 from writes group by slot, epoch having count(distinct name) > 1) as w';
    assert.equal(await cluster.psql(twoOwners), '0');
    const late = 'select count(*) from writes a join writes b on a.slot = b.slot and a.seq < b.seq and a.epoch > b.epoch';
    assert.equal(await cluster.psql(late), '0');
  });
});

async function until(isMet: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!isMet()) {
    assert(performance.now() < deadline, 'the condition is not met in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

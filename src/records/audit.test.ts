import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import { inTransaction, type OpenDatabase } from '../storage/index.ts';
import { type ActionEntry, Audit } from './audit.ts';
import { withOrigin } from './origin.ts';

const clock = new VirtualClock();
let opened: OpenDatabase;
before(async () => {
  opened = await openMemoryDatabase();
});
after(async () => opened.close());

test('stores no entry of a transaction that fails', async () => {
  const audit = new Audit(opened.db, clock);
  const failing = inTransaction(opened.db, async (tx) => {
    await audit.record(tx, { who: 'w', action: 'DeleteEndpoint', target: 't', outcome: 'ok', detail: {} });
    throw new Error('no');
  });
  await assert.rejects(failing);
  assert.deepEqual(await audit.list({ limit: 10 }), []);
});

test('lists records newest first, page by page, also within one millisecond', async () => {
  const audit = new Audit(opened.db, clock);
  for (let index = 0; index < 7; index++) {
    if (index === 4) clock.advance(1);
    await audit.record(opened.db, { who: 'AKIA', action: 'CreateEndpoint', target: `e${index}`, outcome: 'ok', detail: { index } });
  }
  const seen: string[] = [];
  let before: string | undefined;
  for (;;) {
    const page = await audit.list({ limit: 3, before });
    if (page.length === 0) break;
    seen.push(...page.map(({ target }) => target));
    before = page.at(-1)?.id;
  }
  assert.deepEqual(seen, ['e6', 'e5', 'e4', 'e3', 'e2', 'e1', 'e0']);
  const [newest] = await audit.list({ limit: 1 });
  assert.deepEqual(
    { ...newest, id: '' },
    {
      id: '',
      atMs: clock.wallMs(),
      who: 'AKIA',
      action: 'CreateEndpoint',
      target: 'e6',
      outcome: 'ok',
      detail: { index: 6 },
      origin: null,
    },
  );
});

test('returns one call even if its first action failed', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const audit = new Audit(db, clock);
  const entry: ActionEntry = { who: 'w', action: 'CreateEndpoint', target: 't', outcome: 'ok', detail: null };
  const origin = { protocol: 'aws', remoteAddress: '', userAgent: '', requestId: 'r1', operation: 'CreateEndpoint' };
  const failing = async (): Promise<void> =>
    inTransaction(db, async (tx) => {
      await audit.record(tx, entry);
      throw new Error('no');
    });
  await withOrigin(origin, async () => {
    await assert.rejects(failing);
    clock.advance(1);
    for (const target of ['a', 'b']) await audit.record(db, { ...entry, target });
  });
  const calls = await audit.calls({ limit: 10 });
  assert.deepEqual(
    calls.map(({ records }) => records.map(({ target }) => target)),
    [['b', 'a']],
  );
  const [{ atMs } = { atMs: Number.NaN }] = calls;
  assert.deepEqual(await audit.calls({ limit: 10, target: 'b', fromMs: atMs, toMs: atMs }), calls);
  assert.deepEqual(await audit.calls({ limit: 10, fromMs: atMs + 1 }), []);
});

for (const [name, open] of [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const) {
  describe(`the audit's chain on ${name}`, () => {
    const filled = async (t: TestContext) => {
      const { db, close } = await open();
      t.after(close);
      const audit = new Audit(db, clock);
      const origin = { protocol: 'api', remoteAddress: '127.0.0.1', userAgent: 'x'.repeat(1000), requestId: 'r1' };
      await withOrigin(origin, async () => {
        for (let i = 1; i <= 5; i++)
          await audit.record(db, { who: 'AKIA', action: 'CreateEndpoint', target: `t${i}`, outcome: 'ok', detail: { i } });
      });
      return { db, audit };
    };

    test('is intact after writing, and records the origin of each call', async (t) => {
      const { audit } = await filled(t);
      const { records, broken, head } = await audit.verify();
      assert.deepEqual([records, broken], [5, null]);
      assert.equal((await audit.verify(head)).broken, null);
      assert.match((await audit.verify('0'.repeat(64))).broken?.why ?? '', /the whole chain was rewritten/);
      const [{ origin } = { origin: null }] = await audit.list({ limit: 1, target: 't3' });
      assert.deepEqual([origin?.protocol, origin?.requestId, origin?.userAgent.length], ['api', 'r1', 256]);
    });

    test('detects a changed record, however small the change', async (t) => {
      const { db, audit } = await filled(t);
      for (const change of [{ who: 'AKIB' }, { detail: '{"i":4}' }, { at: 1 }, { outcome: 'internal' }, { origin: null }]) {
        const before = await db.selectFrom('audit').selectAll().where('number', '=', 3).executeTakeFirstOrThrow();
        await db.updateTable('audit').set(change).where('number', '=', 3).execute();
        const { broken, records } = await audit.verify();
        assert.deepEqual([broken?.number, broken?.id, records], [3, before.id, 2], JSON.stringify(change));
        await db
          .updateTable('audit')
          .set({ ...before })
          .where('number', '=', 3)
          .execute();
      }
      assert.equal((await audit.verify()).broken, null);
    });

    test('detects removed records, also the last ones', async (t) => {
      const { db, audit } = await filled(t);
      await db.deleteFrom('audit').where('number', '=', 5).execute();
      assert.match((await audit.verify()).broken?.why ?? '', /the chain ends with record 4, but 5 were written/);
      await db.deleteFrom('audit').where('number', '=', 2).execute();
      assert.match((await audit.verify()).broken?.why ?? '', /record 2 is missing/);
    });

    test('continues after the chain head was removed, and detects it', async (t) => {
      const { db, audit } = await filled(t);
      await db.deleteFrom('audit_head').execute();
      assert.match((await audit.verify()).broken?.why ?? '', /the chain head was removed/);
      await audit.record(db, { who: 'AKIA', action: 'CreateEndpoint', target: 't', outcome: 'ok', detail: null });
      assert.match((await audit.verify()).broken?.why ?? '', /record 6 is missing/);
    });

    test('is a single chain with concurrent writers', async (t) => {
      const { db, audit } = await filled(t);
      const entry: ActionEntry = { who: 'w', action: 'CreateEndpoint', target: 't', outcome: 'ok', detail: null };
      await Promise.all(Array.from({ length: 20 }, () => inTransaction(db, (tx) => audit.record(tx, entry))));
      assert.deepEqual([(await audit.verify()).records, (await audit.verify()).broken], [25, null]);
    });
  });
}

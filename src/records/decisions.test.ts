import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { type Decision, Decisions, type NewDecision } from './decisions.ts';
import { Events, type PlatformEvent } from './events.ts';

function decision(changes: Partial<NewDecision> = {}): NewDecision {
  return {
    kind: 'batching',
    endpoint: 'Digits',
    variant: 'AllTraffic',
    trigger: 'period',
    reason: 'cheapest',
    changes: true,
    explanation: 'B = 4 costs 40 % less than no batching',
    inputs: { ratePerSecond: 12.5, notes: ['"quoted"\u0000'] },
    alternatives: [{ label: 'chosen' }, { label: 'no-batching' }],
    chosen: { batchSizeMax: 4, waitMsMax: null },
    ...changes,
  };
}

for (const [name, open] of [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const) {
  describe(`decisions on ${name}`, () => {
    const clock = new VirtualClock();
    let opened: OpenDatabase;
    let events: Events;
    let decisions: Decisions;
    before(async () => {
      opened = await open();
      events = new Events(opened.db, clock);
      decisions = new Decisions(opened.db, clock, events);
    });
    after(async () => opened?.close());

    const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
    const addEndpoint = (endpoint: string) =>
      opened.db
        .insertInto('endpoints')
        .values({ name_key: endpoint.toLowerCase(), name: endpoint, ...row })
        .execute();
    const removeEndpoint = (endpoint: string) => opened.db.deleteFrom('endpoints').where('name_key', '=', endpoint.toLowerCase()).execute();
    const record = async (...args: Parameters<Decisions['record']>): Promise<Decision> => {
      const made = await decisions.record(...args);
      assert(made !== null);
      return made;
    };

    test('are returned newest first in recording order, even if the clock is set back', async () => {
      await addEndpoint('Digits');
      const made: Decision[] = [];
      for (let index = 0; index < 5; index++) made.push(await record(decision({ trigger: `t${index}` })));
      const earlier = new Decisions(opened.db, new VirtualClock(0), events);
      const last = await earlier.record(decision({ trigger: 'after the clock was set back' }));
      assert.equal(last?.atMs, 0);
      assert.deepEqual(await decisions.list({ endpoint: 'digits', limit: 10 }), [last, ...made.toReversed()]);
      assert.deepEqual(await decisions.latest('digits', 'AllTraffic', 'batching'), last);
      assert.equal(await decisions.latest('digits', 'Other', 'batching'), null);
      assert.equal(await decisions.latest('digits', 'AllTraffic', 'scaling'), null);
      await removeEndpoint('Digits');
    });

    test('are listed for all endpoints in recording order if no endpoint is given', async () => {
      for (const endpoint of ['Digits', 'iris']) await addEndpoint(endpoint);
      const made = [await record(decision()), await record(decision({ endpoint: 'iris' })), await record(decision({ kind: 'scaling' }))];
      assert.deepEqual(await decisions.list({ limit: 9 }), made.toReversed());
      assert.deepEqual(await decisions.list({ limit: 1, kind: 'batching', before: made[1]?.id }), [made[0]]);
      for (const endpoint of ['Digits', 'iris']) await removeEndpoint(endpoint);
    });

    test('without a change are folded into the latest of each variant, with their number and the time of the first', async () => {
      for (const endpoint of ['Digits', 'iris']) await addEndpoint(endpoint);
      const review = async (changes: Partial<NewDecision>): Promise<Decision> => {
        clock.advance(10_000);
        return record(decision({ changes: false, ...changes }));
      };
      await review({});
      const changed = await review({ changes: true });
      const first = await review({});
      const other = await review({ endpoint: 'iris' });
      await review({ kind: 'scaling' });
      await review({});
      const lastOfKind = await review({ kind: 'scaling' });
      const last = await review({});
      const ids = async (page: Parameters<Decisions['listFolded']>[0]) =>
        (await decisions.listFolded(page)).map(({ decision: { id }, run }) => [id, run.count, run.sinceMs] as const);
      const all = await ids({ limit: 9 });
      assert.deepEqual(all.slice(0, 4), [
        [last.id, 3, first.atMs],
        [lastOfKind.id, 2, lastOfKind.atMs - 20_000],
        [other.id, 1, other.atMs],
        [changed.id, 1, changed.atMs],
      ]);
      assert.equal(all.length, 5);
      const pages = [await ids({ limit: 2 }), await ids({ limit: 2, before: lastOfKind.id }), await ids({ limit: 2, before: changed.id })];
      assert.deepEqual(pages.flat(), all, 'a page goes on after the last run, not within it');
      assert.deepEqual(
        (await ids({ endpoint: 'digits', kind: 'batching', limit: 9 })).map(([, count]) => count),
        [3, 1, 1],
      );
      assert((await decisions.listFolded({ limit: 9 })).every(({ run }) => run.isWhole));
      for (const endpoint of ['Digits', 'iris']) await removeEndpoint(endpoint);
    });

    test('over thousands are folded into one', async () => {
      await addEndpoint('Digits');
      for (let index = 0; index < 1005; index++) await record(decision({ changes: false }));
      const [only, ...others] = await decisions.listFolded({ endpoint: 'digits', limit: 1 });
      assert.deepEqual([only?.run.count, only?.run.isWhole, others.length], [1005, true, 0]);
      await removeEndpoint('Digits');
    });

    test('are listed page by page and filtered by kind', async () => {
      await addEndpoint('Digits');
      for (let index = 0; index < 7; index++)
        await record(decision({ trigger: `${index}`, kind: index % 2 === 0 ? 'batching' : 'scaling' }));
      const seen: string[] = [];
      let cursor: string | undefined;
      for (;;) {
        const page = await decisions.list({ endpoint: 'Digits', limit: 3, before: cursor });
        if (page.length === 0) break;
        seen.push(...page.map(({ trigger }) => trigger));
        cursor = page.at(-1)?.id;
      }
      assert.deepEqual(seen, ['6', '5', '4', '3', '2', '1', '0']);
      const batching = await decisions.list({ endpoint: 'Digits', kind: 'batching', limit: 9 });
      assert.deepEqual(
        batching.map(({ trigger }) => trigger),
        ['6', '4', '2', '0'],
      );
      assert.deepEqual(await decisions.list({ endpoint: 'Digits', limit: 9, before: 'missing' }), []);
      const still = await record(decision({ changes: false }));
      const changing = await decisions.list({ endpoint: 'Digits', changes: true, limit: 1 });
      assert.notEqual(changing[0]?.id, still.id);
      assert.equal(changing[0]?.changes, true);
      await removeEndpoint('Digits');
    });

    test('receive their effect later, alone or with the decision that ends them', async () => {
      await addEndpoint('Digits');
      const first = await record(decision());
      const second = await record(decision(), { id: first.id, effect: { p95Ms: 48.5 } });
      await decisions.fillEffect({ id: second.id, effect: { p95Ms: 51 } });
      await decisions.fillEffect({ id: 'pruned long ago', effect: {} });
      const effects = (await decisions.list({ endpoint: 'Digits', limit: 9 })).map(({ effect }) => effect);
      assert.deepEqual(effects, [{ p95Ms: 51 }, { p95Ms: 48.5 }]);
      await removeEndpoint('Digits');
    });

    test('with an abandoned effect state the reason; known effects and other kinds are unchanged', async () => {
      await addEndpoint('Digits');
      const known = await record(decision({ kind: 'scaling' }));
      await decisions.fillEffect({ id: known.id, effect: { attainment: 1 } });
      await record(decision({ kind: 'scaling' }));
      await record(decision());
      await decisions.abandonEffects('scaling', 'the server was restarted');
      const effects = (await decisions.list({ endpoint: 'Digits', limit: 9 })).map(({ effect }) => effect);
      assert.deepEqual(effects, [null, { unknown: 'the server was restarted' }, { attainment: 1 }]);
      await removeEndpoint('Digits');
    });

    test('record an event only if they change something', async () => {
      await addEndpoint('Digits');
      const received: PlatformEvent[] = [];
      const end = events.subscribe((event) => received.push(event));
      await record(decision({ changes: false }));
      const { id } = await record(decision());
      end();
      const detail = { id, kind: 'batching', variant: 'AllTraffic', trigger: 'period', chosen: decision().chosen, reason: 'cheapest' };
      assert.deepEqual(
        received.map(({ kind, subject, detail: reported }) => ({ kind, subject, detail: reported })),
        [{ kind: 'decision.made', subject: 'Digits', detail }],
      );
      await removeEndpoint('Digits');
    });

    test('are deleted with their endpoint; a late one is neither stored nor published', async () => {
      await addEndpoint('Digits');
      await record(decision());
      await removeEndpoint('Digits');
      const seq = await events.lastSeq();
      assert.equal(await decisions.record(decision()), null);
      assert.equal(await events.lastSeq(), seq);
      await addEndpoint('Digits');
      assert.deepEqual(await decisions.list({ endpoint: 'Digits', limit: 9 }), []);
      await removeEndpoint('Digits');
    });

    test('are pruned per endpoint, including those an earlier server left; other endpoints are untouched', async () => {
      await addEndpoint('Digits');
      await addEndpoint('Other');
      await record(decision({ endpoint: 'Other' }));
      for (let index = 0; index < 130; index++) await record(decision({ trigger: `${index}` }));
      const few = new Decisions(opened.db, clock, events, 20);
      await few.record(decision({ trigger: 'last' }));
      const left = await decisions.list({ endpoint: 'Digits', limit: 500 });
      assert.deepEqual([left.length, left[0]?.trigger, left.at(-1)?.trigger], [20, 'last', '111']);
      for (let index = 0; index < 100; index++) await few.record(decision({ trigger: `more ${index}` }));
      assert.equal((await decisions.list({ endpoint: 'Digits', limit: 500 })).length, 20);
      assert.equal((await decisions.list({ endpoint: 'Other', limit: 500 })).length, 1);
    });
  });
}

test('decisions about the cluster have no endpoint: listed apart, pruned apart, without an event of an endpoint', async () => {
  const opened = await openPglite();
  try {
    const clock = new VirtualClock();
    const events = new Events(opened.db, clock);
    const decisions = new Decisions(opened.db, clock, events, 20);
    const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
    await opened.db
      .insertInto('endpoints')
      .values({ name_key: 'digits', name: 'Digits', ...row })
      .execute();
    const own = await decisions.record(decision());
    const seq = await events.lastSeq();
    for (let index = 0; index < 130; index++)
      await decisions.record(decision({ kind: 'host-set', endpoint: null, variant: '', trigger: `${index}` }));
    assert.equal(await events.lastSeq(), seq);
    const listed = await decisions.list({ endpoint: null, kind: 'host-set', limit: 1 });
    assert.deepEqual([listed[0]?.endpoint, listed[0]?.variant, listed[0]?.trigger], [null, '', '129']);
    assert.ok((await decisions.list({ endpoint: null, limit: 500 })).length < 130);
    assert.deepEqual(await decisions.list({ endpoint: 'digits', limit: 9 }), [own]);
    const all = await decisions.listFolded({ limit: 500 });
    assert.equal(all.at(-1)?.decision.id, own?.id);
  } finally {
    await opened.close();
  }
});

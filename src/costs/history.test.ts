import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { CostHistory, type CostLine, wholeHours } from './history.ts';
import { Ledger, sumOf, usdPerMillion } from './ledger.ts';

const secondMs = 1000;
const hourMs = 3600 * secondMs;
const dayMs = 24 * hourMs;
const epochMs = Date.UTC(2026, 9, 1);
const ever = { fromMs: 0, toMs: epochMs + 10_000 * dayMs };

/** The ledger and history of a server that starts at the clock's time. */
function openCosts({ db }: OpenDatabase, clock: VirtualClock) {
  const ledger = new Ledger(clock);
  const failures: unknown[] = [];
  const history = new CostHistory({ db, clock, ledger, onFailure: (error) => failures.push(error) });
  history.open();
  return { ledger, history, failures };
}

const near = (value: number, expected: number): void =>
  assert(Math.abs(value - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${value} is not ${expected}`);

const inShort = (lines: readonly CostLine[]) =>
  lines.map(({ atMs, endpoint, variant, instanceSeconds, requests }) => [
    (atMs - epochMs) / hourMs,
    `${endpoint}/${variant}`,
    Math.round(instanceSeconds),
    requests,
  ]);

for (const [name, open] of [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const) {
  describe(`the history of costs on ${name}`, () => {
    let opened: OpenDatabase;
    before(async () => {
      opened = await open();
    });
    beforeEach(async () => {
      await opened.db.deleteFrom('hourly_costs').execute();
    });
    after(async () => opened?.close());
    const rows = () => opened.db.selectFrom('hourly_costs').selectAll().orderBy('hour').execute();

    test('records use in its hour', async () => {
      const clock = new VirtualClock(epochMs);
      const { ledger, history, failures } = openCosts(opened, clock);
      ledger.started('w1', 'Digits', 'AllTraffic', 0.36);
      clock.advance(hourMs - 5 * secondMs);
      ledger.request('Digits', 'AllTraffic', 0.001);
      clock.advance(10 * secondMs);
      ledger.request('Digits', 'AllTraffic', 0.001);
      ledger.request('Digits', 'AllTraffic', 0.001);
      ledger.invoked('iris', 'AllTraffic', { memoryMiB: 1024, billedMs: 100, usd: 0.5, isColdStart: true });
      clock.advance(25 * secondMs);
      const lines = await history.list({ ...ever, by: 'hour' });
      assert.deepEqual(inShort(lines), [
        [0, 'Digits/AllTraffic', 3600, 1],
        [1, 'Digits/AllTraffic', 30, 2],
        [1, 'iris/AllTraffic', 0, 0],
      ]);
      near(lines[0]?.instanceUsd ?? 0, 0.36);
      assert.deepEqual([lines[2]?.functionUsd, lines[2]?.coldStarts, lines[2]?.totalUsd], [0.5, 1, 0.5]);
      await history.close();
      assert.deepEqual(await history.list({ ...ever, by: 'hour' }), lines);
      assert.deepEqual(failures, []);
    });

    test('writes every second while requests arrive, and reads include unwritten use', async () => {
      const clock = new VirtualClock(epochMs);
      const { ledger, history } = openCosts(opened, clock);
      ledger.request('digits', 'AllTraffic', 0.25);
      clock.advance(999);
      assert.deepEqual(inShort(await history.list({ ...ever, by: 'total' })).length, 1);
      assert.deepEqual(await rows(), []);
      clock.advance(1);
      ledger.request('digits', 'AllTraffic', 0.25);
      assert.equal((await history.list({ ...ever, by: 'total' }))[0]?.requests, 2);
      assert.deepEqual(
        (await rows()).map(({ hour, day, endpoint_key, requests }) => [hour, day, endpoint_key, requests]),
        [[epochMs, epochMs, 'digits', 1]],
      );
      clock.advance(secondMs);
      await history.list({ ...ever, by: 'total' });
      assert.equal((await rows())[0]?.requests, 2);
      ledger.request('digits', 'AllTraffic', 0.25);
      await history.close();
      assert.equal((await rows())[0]?.requests, 3);
      clock.advance(dayMs);
      assert.equal((await rows()).length, 1); // nothing is written after close
    });

    test('if a server is killed, loses only use after its last write, and counts nothing twice', async () => {
      const clock = new VirtualClock(epochMs);
      const killed = openCosts(opened, clock);
      killed.ledger.started('w1', 'digits', 'AllTraffic', 1);
      for (let i = 0; i < 2; i++) {
        clock.advance(10 * secondMs);
        await killed.history.list({ ...ever, by: 'total' }); // the write has ended
        await new Promise((resolve) => setImmediate(resolve));
      }
      clock.advance(9 * secondMs);
      const clockOfNext = new VirtualClock(clock.wallMs());
      const next = openCosts(opened, clockOfNext);
      assert.deepEqual(inShort(await next.history.list({ ...ever, by: 'hour' })), [[0, 'digits/AllTraffic', 20, 0]]);
      next.ledger.started('w1', 'Digits', 'AllTraffic', 1);
      for (let i = 0; i < 5; i++) {
        clockOfNext.advance(10 * secondMs);
        const [line] = await next.history.list({ ...ever, by: 'hour' });
        assert.equal(Math.round(line?.instanceSeconds ?? 0), 20 + 10 * (i + 1));
      }
      await next.history.close();
      const again = openCosts(opened, clockOfNext);
      assert.deepEqual(inShort(await again.history.list({ ...ever, by: 'hour' })), [[0, 'Digits/AllTraffic', 70, 0]]);
      await again.history.close();
    });

    test('reports a failed write, and writes the same values later', async () => {
      const clock = new VirtualClock(epochMs);
      const { ledger, history, failures } = openCosts(opened, clock);
      ledger.started('w1', 'digits', 'AllTraffic', 1);
      await opened.db.schema.alterTable('hourly_costs').renameTo('hidden').execute();
      clock.advance(hourMs - 5 * secondMs);
      await assert.rejects(history.list({ ...ever, by: 'hour' }));
      assert(failures.length > 0);
      await opened.db.schema.alterTable('hidden').renameTo('hourly_costs').execute();
      clock.advance(15 * secondMs);
      await history.list({ ...ever, by: 'hour' });
      assert.deepEqual(
        (await rows()).map(({ instance_seconds }) => Math.round(instance_seconds)),
        [3600, 10],
      );
      await history.close();
    });

    test('sums by hour, UTC day or in total, for one endpoint or all', async () => {
      const clock = new VirtualClock(epochMs + 23 * hourMs);
      const { ledger, history } = openCosts(opened, clock);
      for (let hour = 0; hour < 4; hour++) {
        for (const endpoint of ['b', 'A']) ledger.request(endpoint, 'v', 1);
        ledger.request('A', 'w', 1);
        clock.advance(hourMs);
      }
      assert.equal((await history.list({ ...ever, by: 'hour' })).length, 12);
      const days = await history.list({ ...ever, by: 'day', endpoint: 'a' });
      assert.deepEqual(inShort(days), [
        [0, 'A/v', 0, 1],
        [0, 'A/w', 0, 1],
        [24, 'A/v', 0, 3],
        [24, 'A/w', 0, 3],
      ]);
      const fromMs = epochMs + 24.5 * hourMs;
      const part = await history.list({ fromMs, toMs: epochMs + 26 * hourMs, by: 'total' });
      assert.deepEqual(inShort(part), [
        [24, 'A/v', 0, 2],
        [24, 'A/w', 0, 2],
        [24, 'b/v', 0, 2],
      ]);
      assert.deepEqual(await history.list({ ...ever, by: 'total', endpoint: 'c' }), []);
      assert.throws(() => history.list({ fromMs, toMs: fromMs, by: 'total' }), {
        code: 'invalid_request',
        message: /expected a start before the end/,
      });
      await history.close();
    });

    test('retains hours for 400 days', async () => {
      for (const day of [0, 1, 2, 399, 400, 401]) {
        const { ledger, history } = openCosts(opened, new VirtualClock(epochMs + day * dayMs));
        ledger.request('digits', 'v', 1);
        await history.close();
      }
      assert.deepEqual(
        (await rows()).map(({ day }) => (day - epochMs) / dayMs),
        [1, 2, 399, 400, 401],
      );
    });

    test('rejects a query for more than 10,000 lines and suggests a smaller one', async () => {
      const clock = new VirtualClock(epochMs);
      const { ledger, history } = openCosts(opened, clock);
      ledger.request('digits', 'v', 1);
      await history.close();
      const [row] = await rows();
      assert(row !== undefined);
      const { hour: _, ...columns } = row;
      const others = Object.keys(columns) as (keyof typeof columns)[];
      for (let count = 1; count <= 10_000; count *= 2) {
        await opened.db
          .insertInto('hourly_costs')
          .columns([...others, 'hour'])
          .expression((from) => from.selectFrom('hourly_costs').select((its) => [...others, its('hour', '+', count * hourMs).as('hour')]))
          .execute();
      }
      await assert.rejects(history.list({ ...ever, by: 'hour' }), { code: 'invalid_request', message: /one endpoint, or by day/ });
      assert.equal((await history.list({ ...ever, by: 'total' }))[0]?.requests, 2 ** 14);
    });
  });
}

test('every sum matches the ledgers, for any use and any number of restarts', async () => {
  const step = fc.record({
    kind: fc.constantFrom('started', 'startedWarm', 'ended', 'request', 'failed', 'invoked', 'restart', 'setClock'),
    id: fc.constantFrom('a', 'b', 'c'),
    usd: fc.double({ min: 0.001, max: 10, noNaN: true }),
    afterMs: fc.integer({ min: 0, max: 3 * hourMs }),
    setMs: fc.integer({ min: -5 * hourMs, max: 5 * hourMs }),
  });
  const opened = await openMemoryDatabase();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await opened.db.deleteFrom('hourly_costs').execute();
      let offsetMs = 0;
      const clock = new VirtualClock(epochMs);
      const wallMs = clock.wallMs.bind(clock);
      clock.wallMs = () => wallMs() + offsetMs; // the wall clock may be set forwards or back
      let server = openCosts(opened, clock);
      const ledgers = [server.ledger];
      for (const { kind, id, usd, afterMs, setMs } of steps) {
        if (kind === 'started' || kind === 'startedWarm') server.ledger[kind](id, id, 'v', usd);
        if (kind === 'ended') server.ledger.ended(id);
        if (kind === 'request') server.ledger.request(id, 'v', usd);
        if (kind === 'failed') server.ledger.accountOf(id, 'v').failed();
        if (kind === 'failed') server.ledger.accountOf(id, 'v').runFailed(usd);
        if (kind === 'invoked') server.ledger.invoked(id, 'v', { memoryMiB: 1024, billedMs: 7, usd, isColdStart: usd > 5 });
        if (kind === 'setClock') offsetMs += setMs;
        if (kind === 'restart') {
          for (const instance of ['a', 'b', 'c']) server.ledger.ended(instance);
          await server.history.close();
          server = openCosts(opened, clock);
          ledgers.push(server.ledger);
        }
        clock.advance(afterMs);
        await server.history.list({ ...ever, by: 'total' });
      }
      const expected = sumOf(ledgers.flatMap((ledger) => ledger.variants().map(({ usage }) => usage)));
      for (const by of ['hour', 'day', 'total'] as const) {
        const sum = sumOf(await server.history.list({ ...ever, by }));
        for (const field of Object.keys(expected) as (keyof typeof expected)[]) near(sum[field], expected[field]);
      }
      await server.history.close();
      assert.deepEqual(server.failures, []);
    }),
    { numRuns: 30 },
  );
  await opened.close();
});

test('counts whole hours, and the current one up to now', () => {
  const [hour, minute] = [hourMs, 60 * secondMs];
  const nowMs = epochMs + 10 * hour + 20 * minute;
  for (const [from, to, counted] of [
    [10 * hour + 19 * minute, 10 * hour + 20 * minute, [10 * hour, 10 * hour + 20 * minute]],
    [9 * hour, 10 * hour, [9 * hour, 10 * hour]],
    [8 * hour + minute, 9 * hour + minute, [8 * hour, 10 * hour]],
    [11 * hour + minute, 12 * hour + minute, [11 * hour, 12 * hour + minute]],
  ] as const) {
    const { fromMs, toMs } = wholeHours({ fromMs: epochMs + from, toMs: epochMs + to }, nowMs);
    assert.deepEqual([fromMs - epochMs, toMs - epochMs], counted);
  }
});

test('the cost per million is a million times the mean cost, and null below a thousand requests', () => {
  const ledger = new Ledger(new VirtualClock());
  ledger.invoked('e', 'v', { memoryMiB: 1024, billedMs: 1, usd: 1e-3, isColdStart: false });
  for (let i = 0; i < 999; i++) ledger.request('e', 'v', 1e-6);
  assert.equal(usdPerMillion(ledger.usage('e')), null);
  ledger.request('e', 'v', 1e-6);
  near(usdPerMillion(ledger.usage('e')) ?? 0, 1);
});

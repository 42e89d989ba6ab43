import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import type { OpenDatabase } from '../../storage/index.ts';
import { ArrivalHistory, type ArrivedSoFar } from './arrival-history.ts';

const secondMs = 1000;
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const epochMs = Date.UTC(2026, 9, 1);

/** A server with counters and a history, starting at the clock's time. */
function serverOn({ db }: OpenDatabase, clock: VirtualClock) {
  const counts = new Map<string, ArrivedSoFar>();
  const failures: unknown[] = [];
  const history = new ArrivalHistory({ db, clock, arrived: () => [...counts.values()], onFailure: (error) => failures.push(error) });
  history.open();
  const come = (requests: number, rows = requests, endpoint = 'Digits', variant = 'AllTraffic'): void => {
    const key = `${endpoint}/${variant}`;
    const before = counts.get(key) ?? { endpoint, variant, requests: 0, rows: 0 };
    counts.set(key, { endpoint, variant, requests: before.requests + requests, rows: before.rows + rows });
  };
  const bySecond = async (fromS: number, toS: number, endpoint = 'digits') =>
    (await history.list({ endpoint, fromMs: epochMs + fromS * secondMs, toMs: epochMs + toS * secondMs, slotMs: secondMs })).requests;
  return { counts, come, history, failures, bySecond };
}

/** A clock whose wall time can be set, for a machine that slept. */
class HeldClock extends VirtualClock {
  #aheadMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.#aheadMs;
  }

  jump(byMs: number): void {
    this.#aheadMs += byMs;
  }
}

const sumOf = (counts: readonly (number | null)[]): number => counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
const noOne = (count: number): number[] => new Array<number>(count).fill(0);
const unknown = (count: number): null[] => new Array<null>(count).fill(null);

for (const [name, open] of [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const) {
  describe(`the history of arrivals on ${name}`, () => {
    let opened: OpenDatabase;
    before(async () => {
      opened = await open();
    });
    beforeEach(async () => {
      for (const table of ['recorded_minutes', 'minute_arrivals', 'second_arrivals'] as const) await opened.db.deleteFrom(table).execute();
    });
    after(async () => opened?.close());

    test('records requests and rows in the second of arrival, per variant and in total', async () => {
      const clock = new VirtualClock(epochMs);
      const { come, history, failures, bySecond } = serverOn(opened, clock);
      come(2, 5);
      clock.advance(2.5 * secondMs);
      come(1, 1, 'Digits', 'Canary');
      clock.advance(57 * secondMs);
      come(7);
      come(3, 3, 'iris');
      clock.advance(2 * secondMs);
      assert.deepEqual(await bySecond(-1, 62), [null, 2, 0, 1, ...noOne(56), 7, 0, 0]);
      const query = { endpoint: 'DIGITS', fromMs: epochMs, toMs: epochMs + 2 * minuteMs, slotMs: minuteMs } as const;
      const { requests, rows } = await history.list({ ...query, variant: 'AllTraffic' });
      assert.deepEqual(
        [requests, rows],
        [
          [9, 0],
          [12, 0],
        ],
      );
      assert.deepEqual((await history.list({ ...query, variant: 'Canary' })).requests, [1, 0]);
      assert.deepEqual((await history.list(query)).requests, [10, 0]);
      assert.equal(await history.firstMs('digits'), epochMs);
      assert.equal(await history.firstMs('missing'), null);
      await history.close();
      assert.deepEqual(failures, []);
    });

    test('writes every second while requests arrive, and leaves a gap after a kill', async () => {
      const clock = new VirtualClock(epochMs);
      const killed = serverOn(opened, clock);
      clock.advance(5); // the history polls 5 ms after each second
      for (let s = 0; s < 29; s++) {
        killed.come(1);
        clock.advance(secondMs);
        await written(opened);
      }
      const later = new VirtualClock(epochMs + 34 * secondMs);
      const { come, history, bySecond } = serverOn(opened, later);
      come(4);
      later.advance(secondMs);
      const seen = await bySecond(0, 36);
      assert.deepEqual(seen.slice(0, 29), new Array(29).fill(1));
      assert.deepEqual(seen.slice(29, 34), unknown(5));
      assert.deepEqual(seen.slice(34), [4, 0]);
      await history.close();
    });

    test('continues the minute of the previous server, and loses nothing at a clean shutdown', async () => {
      const clock = new VirtualClock(epochMs);
      const first = serverOn(opened, clock);
      first.come(3, 6);
      clock.advance(4.5 * secondMs);
      first.come(1);
      await first.history.close();
      const { come, history, bySecond } = serverOn(opened, new VirtualClock(epochMs + 7.5 * secondMs));
      come(2);
      const { requests, rows } = await history.list({ endpoint: 'digits', fromMs: epochMs, toMs: epochMs + 1, slotMs: minuteMs });
      assert.deepEqual([requests, rows], [[6], [9]]);
      assert.deepEqual(await bySecond(0, 9), [3, 0, 0, 0, 1, null, null, 2, null]);
      await history.close();
    });

    test('spreads arrivals over a short stall, and treats a sleep as a gap', async () => {
      const clock = new HeldClock(epochMs);
      const { come, history, bySecond } = serverOn(opened, clock);
      clock.advance(2.5 * secondMs);
      come(9);
      clock.jump(4 * secondMs);
      clock.advance(secondMs);
      assert.deepEqual(await bySecond(2, 7), [1, 2, 2, 2, 2]);
      come(5);
      clock.jump(1000 * secondMs);
      clock.advance(secondMs);
      const seen = await bySecond(7, 1010);
      assert.deepEqual([seen[0], seen.slice(1, 1000)], [5, unknown(999)]);
      await history.close();
    });

    test('follows a restarted counter, and loses no arrivals if the clock is set back', async () => {
      const clock = new HeldClock(epochMs + 10 * minuteMs);
      const { counts, come, history } = serverOn(opened, clock);
      come(8);
      clock.advance(11 * secondMs);
      counts.clear(); // the endpoint was deleted and created again
      come(3);
      clock.jump(-5 * minuteMs);
      come(1);
      clock.advance(11 * secondMs);
      const { requests } = await history.list({ endpoint: 'digits', fromMs: epochMs, toMs: epochMs + 20 * minuteMs, slotMs: minuteMs });
      assert.equal(sumOf(requests), 12);
      await history.close();
    });

    test('retains seconds for two days and minutes for ninety', async () => {
      const clock = new VirtualClock(epochMs);
      const { history } = serverOn(opened, clock);
      await history.close();
      const rows = async () => ({
        seconds: (await opened.db.selectFrom('second_arrivals').selectAll().execute()).length,
        minutes: (await opened.db.selectFrom('minute_arrivals').selectAll().execute()).length,
      });
      for (const { day, wanted } of [
        { day: 0, wanted: { seconds: 1, minutes: 1 } },
        { day: 1, wanted: { seconds: 2, minutes: 2 } },
        { day: 3, wanted: { seconds: 2, minutes: 3 } },
        { day: 91, wanted: { seconds: 1, minutes: 3 } },
      ]) {
        const { come, history: now } = serverOn(opened, new VirtualClock(epochMs + day * dayMs));
        come(1);
        await now.close();
        assert.deepEqual(await rows(), wanted, `day ${day}`);
      }
    });

    test('rejects queries for too many slots or none', async () => {
      const { history } = serverOn(opened, new VirtualClock(epochMs));
      const call = (slots: number) => history.list({ endpoint: 'digits', fromMs: 0, toMs: slots * secondMs, slotMs: secondMs });
      await assert.rejects(call(200_001), { code: 'invalid_request', message: /expected 1 to 200000 slots of 1 s, got 200001/ });
      await assert.rejects(call(0), { code: 'invalid_request', message: /got an end that is not after the start/ });
      await history.close();
    });
  });
}

test('counts every arrival exactly once, however often a server is killed or stopped', async () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ come: fc.nat(5), advanceMs: fc.nat(15_000) }) },
    { weight: 1, arbitrary: fc.constantFrom('kill' as const, 'end' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const opened = await openMemoryDatabase();
      let clock = new VirtualClock(epochMs);
      let server = serverOn(opened, clock);
      let [arrived, atRisk] = [0, 0];
      for (const each of steps) {
        if (typeof each === 'object') {
          server.come(each.come);
          arrived += each.come;
          clock.advance(each.advanceMs);
          await written(opened);
          continue;
        }
        if (each === 'end') await server.history.close();
        else atRisk = arrived;
        clock = new VirtualClock(clock.wallMs()); // only the next server's timers are on it
        server = serverOn(opened, clock);
      }
      const { requests } = await server.history.list({ endpoint: 'digits', fromMs: epochMs, toMs: clock.wallMs() + 1, slotMs: minuteMs });
      assert(sumOf(requests) <= arrived);
      if (atRisk === 0) assert.equal(sumOf(requests), arrived);
      assert.deepEqual(server.failures, []);
      await opened.close();
    }),
    { numRuns: 30 },
  );
});

/** Waits for pending writes: a query waits until the previous transaction ends. */
async function written({ db }: OpenDatabase): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  await db.selectFrom('recorded_minutes').select('minute').limit(1).execute();
  await new Promise((resolve) => setImmediate(resolve));
}

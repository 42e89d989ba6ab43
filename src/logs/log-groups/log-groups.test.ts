import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import { openDatabase } from '../../storage/index.ts';
import type { LogPage, LogQuery } from './log-event.ts';
import { LogGroups } from './log-groups.ts';

const epochMs = Date.UTC(2026, 10, 24, 12);
const databases = [
  ['SQLite', openMemoryDatabase],
  ['PGlite', openPglite],
] as const;
const everything: LogQuery = {
  streams: null,
  fromMs: 0,
  toMs: epochMs * 2,
  from: 'head',
  cursor: null,
  limit: 10_000,
  matches: () => true,
};

async function fixture(
  t: TestContext,
  limits: { groupBytesMax?: number; bytesMax?: number } = {},
  open: () => ReturnType<typeof openDatabase> = databases[0][1],
) {
  const { db, close } = await open();
  t.after(close);
  const clock = new VirtualClock(epochMs);
  const failures: unknown[] = [];
  const make = async (): Promise<LogGroups> => {
    const logs = new LogGroups({ db, clock, files: [], onFailure: (error) => failures.push(error), ...limits });
    await logs.open();
    return logs;
  };
  return { db, clock, failures, make, logs: await make() };
}

const messages = ({ events }: LogPage): string[] => events.map(({ message }) => message);

for (const [name, open] of databases) {
  describe(`log groups in ${name}`, () => {
    test('a line at a fraction of a millisecond, such as one of a host, is stored at a whole one', async (t) => {
      const { failures, logs } = await fixture(t, {}, open);
      logs.write('g', 's', 'of a host', epochMs - 0.75);
      const { events } = await logs.read('g', everything);
      assert.deepEqual(failures, []);
      assert.deepEqual(
        events.map(({ message, atMs }) => [message, atMs]),
        [['of a host', epochMs - 1]],
      );
    });

    test("the server's lines create their group and stream, are readable at once and survive a restart", async (t) => {
      const { clock, make, logs } = await fixture(t, {}, open);
      logs.write('/aws/sagemaker/Endpoints/e', 'AllTraffic/w1', 'one');
      clock.advance(5);
      logs.write('/aws/sagemaker/Endpoints/e', 'AllTraffic/w2', 'two');
      assert.deepEqual(messages(await logs.read('/aws/sagemaker/Endpoints/e', everything)), ['one', 'two']);
      await logs.close();
      const again = await make();
      const [group] = await again.groups();
      assert.deepEqual([group?.name, group?.retentionDays, group?.bytes], ['/aws/sagemaker/Endpoints/e', 30, 2 * (3 + 26)]);
      const { events } = await again.read('/aws/sagemaker/Endpoints/e', { ...everything, streams: new Set(['AllTraffic/w2']) });
      assert.deepEqual(
        events.map(({ stream, atMs }) => [stream, atMs]),
        [['AllTraffic/w2', epochMs + 5]],
      );
      again.write('/aws/sagemaker/Endpoints/e', 'AllTraffic/w2', 'three');
      assert.equal(messages(await again.read('/aws/sagemaker/Endpoints/e', everything)).at(-1), 'three');
    });

    test('are created, rejected if they exist, written to and deleted', async (t) => {
      const { logs } = await fixture(t, {}, open);
      await logs.createGroup('mine');
      await assert.rejects(logs.createGroup('mine'), { code: 'already_exists' });
      await assert.rejects(logs.put('mine', 's', []), { code: 'not_found', message: 'The specified log stream does not exist.' });
      await logs.createStream('mine', 's');
      await assert.rejects(logs.createStream('mine', 's'), { code: 'already_exists' });
      await logs.put('mine', 's', [
        { atMs: epochMs, message: 'a\u0000b' },
        { atMs: epochMs - 1, message: 'earlier' },
      ]);
      assert.deepEqual(messages(await logs.read('mine', everything)), ['earlier', 'a\\x00b']);
      await logs.deleteStream('mine', 's');
      assert.deepEqual(await logs.streams('mine'), []);
      await logs.deleteGroup('mine');
      await assert.rejects(logs.read('mine', everything), { code: 'not_found', message: 'The specified log group does not exist.' });
    });

    test('pages continue in both directions, and report the end', async (t) => {
      const { logs } = await fixture(t, {}, open);
      await logs.createGroup('mine');
      await logs.createStream('mine', 's');
      await logs.put(
        'mine',
        's',
        Array.from({ length: 25 }, (_, i) => ({ atMs: epochMs + (i >> 2), message: String(i) })),
      );
      const all: string[] = [];
      let query: LogQuery = { ...everything, limit: 10 };
      for (let page = await logs.read('mine', query); ; page = await logs.read('mine', query)) {
        all.push(...messages(page));
        if (page.isEnd) break;
        query = { ...query, cursor: page.after };
      }
      assert.deepEqual(
        all,
        Array.from({ length: 25 }, (_, i) => String(i)),
      );
      const last = await logs.read('mine', { ...everything, from: 'tail', limit: 3 });
      assert.deepEqual(messages(last), ['22', '23', '24']);
      assert.deepEqual(messages(await logs.read('mine', { ...everything, from: 'tail', limit: 2, cursor: last.before })), ['20', '21']);
      const end = await logs.read('mine', { ...everything, cursor: last.after });
      assert.deepEqual([end.events, end.after, end.isEnd], [[], last.after, true]);
      await assert.rejects(logs.read('mine', { ...everything, cursor: 'none' }), { code: 'invalid_request' });
    });

    test('delete expired events and their streams', async (t) => {
      const { clock, make, logs } = await fixture(t, {}, open);
      logs.write('/aws/sagemaker/Endpoints/e', 's', 'old');
      await logs.setRetention('/aws/sagemaker/Endpoints/e', 1);
      clock.advance(2 * 86_400_000);
      logs.write('/aws/sagemaker/Endpoints/e', 'new', 'new');
      assert.deepEqual(messages(await logs.read('/aws/sagemaker/Endpoints/e', everything)), ['new']);
      await logs.sweep();
      assert.deepEqual(
        (await (await make()).streams('/aws/sagemaker/Endpoints/e')).map(({ name: stream }) => stream),
        ['new'],
      );
      clock.advance(2 * 86_400_000);
      await logs.sweep();
      await logs.sweep();
      assert.deepEqual(await logs.groups(), []);
    });

    test('delete the streams idle for longest if a server group has too many', async (t) => {
      const { clock, logs } = await fixture(t, {}, open);
      for (let i = 0; i < 1010; i++) {
        logs.write('/aws/sagemaker/Endpoints/e', `AllTraffic/f${i}`, 'ready');
        clock.advance(10);
      }
      await logs.sweep();
      const streams = (await logs.streams('/aws/sagemaker/Endpoints/e')).map(({ name: stream }) => stream);
      assert.equal(streams.length, 900);
      assert(streams.includes('AllTraffic/f1009') && !streams.includes('AllTraffic/f0'));
    });

    test('delete the oldest events over the limits, per group and in total', async (t) => {
      const { clock, logs } = await fixture(t, { groupBytesMax: 20_000, bytesMax: 30_000 }, open);
      for (let i = 0; i < 300; i++) {
        for (const group of ['a', 'b', 'c']) logs.write(group, 's', `${i} ${'x'.repeat(100)}`);
        clock.advance(10);
      }
      await logs.sweep();
      const groups = await logs.groups();
      assert(groups.every(({ bytes }) => bytes <= 20_000));
      assert(groups.reduce((sum, { bytes }) => sum + bytes, 0) <= 30_000);
      const { events } = await logs.read('a', everything);
      assert(events.at(-1)?.message.startsWith('299 ') && events.length > 20);
    });
  });
}

describe('own lines', () => {
  test("accept the server's lines although clients have used up their limits", async (t) => {
    const { logs } = await fixture(t);
    for (let i = 0; i < 20_000; i++) logs.write(`flood/${i}`, 's', 'x');
    await assert.rejects(logs.createGroup('one more'), { code: 'overloaded' });
    assert.throws(() => logs.make('one more', 's'), { code: 'overloaded' });
    logs.write('/aws/sagemaker/Endpoints/e', 'AllTraffic/w', 'ready');
    assert.deepEqual(messages(await logs.read('/aws/sagemaker/Endpoints/e', everything)), ['ready']);
    for (let i = 1; i < 5000; i++) logs.make('/aws/sagemaker/Endpoints/e', `flood-${i}`);
    assert.throws(() => logs.make('/aws/sagemaker/Endpoints/e', 'one more'), { code: 'overloaded' });
    logs.write('/aws/sagemaker/Endpoints/e', 'AllTraffic/w2', 'ready too');
    assert.equal(logs.dropped, 0);
  });

  test('are truncated if too long, and escaped if binary', async (t) => {
    const { logs } = await fixture(t);
    logs.write('g', 's', `${'y'.repeat(10_000_000)}`);
    logs.write('g', 's', '\u001b[31mred\u0000\ttab \ud800');
    const [long = '', binary] = messages(await logs.read('g', everything));
    assert(long.length < 70_000 && long.endsWith('(9934464 more characters were cut)'));
    assert.equal(binary, '\\x1b[31mred\\x00\ttab \ufffd');
  });

  test('are rate-limited in a flood, with the number of missing lines marked in place', async (t) => {
    const { clock, logs } = await fixture(t);
    for (let i = 0; i < 20_000; i++) logs.write('g', 's', `line ${i}`);
    assert.equal(logs.dropped, 15_000);
    clock.advance(1000);
    await logs.flush();
    logs.write('g', 's', 'after');
    const retained: string[] = [];
    for (let cursor: string | null = null, isEnd = false; !isEnd; ) {
      const page: LogPage = await logs.read('g', { ...everything, cursor });
      retained.push(...messages(page));
      [cursor, isEnd] = [page.after, page.isEnd];
    }
    assert.deepEqual(retained.slice(-3), ['line 4999', '(15000 lines were dropped here: the rate limit was exceeded)', 'after']);
  });

  test('are buffered within bounds while the disk is full, with the gap marked afterwards', async (t) => {
    const { db, clock, failures, logs } = await fixture(t);
    logs.write('g', 's', 'before');
    await logs.flush();
    await db.schema.alterTable('log_events').renameTo('log_events_elsewhere').execute();
    for (let i = 0; i < 300; i++) {
      logs.write('g', 's', `${i} ${'z'.repeat(60_000)}`);
      clock.advance(200);
    }
    await logs.flush();
    assert.equal(failures.length, 1);
    assert(logs.dropped > 100);
    await db.schema.alterTable('log_events_elsewhere').renameTo('log_events').execute();
    clock.advance(10_000);
    await logs.flush();
    const [last = ''] = messages(await logs.read('g', { ...everything, from: 'tail', limit: 1 }));
    assert.match(last, /^\(\d+ lines were dropped here: /);
    logs.write('g', 's', 'after');
    assert.deepEqual(messages(await logs.read('g', { ...everything, from: 'tail', limit: 1 })), ['after']);
  });

  test('never throw, and reads return exactly what was put', async (t) => {
    const { logs } = await fixture(t);
    const event = fc.record({
      stream: fc.constantFrom('a', 'b'),
      atMs: fc.integer({ min: epochMs, max: epochMs + 50 }),
      message: fc.string({ minLength: 1, unit: 'grapheme' }),
    });
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), fc.integer({ min: 1, max: 7 }), async (events, limit) => {
        const name = `g${count++}`;
        for (const { stream, message, atMs } of events) logs.write(name, stream, message, atMs);
        if (events.length === 0) return;
        const back: string[] = [];
        for (let cursor: string | null = null, isEnd = false; !isEnd; ) {
          const page: LogPage = await logs.read(name, { ...everything, from: 'tail', limit, cursor });
          back.unshift(...page.events.map(({ stream, atMs }) => `${atMs} ${stream}`));
          [cursor, isEnd] = [page.before, page.isEnd];
        }
        const expected = events
          .map(({ stream, atMs }) => ({ atMs, text: `${atMs} ${stream}` }))
          .sort((one, other) => one.atMs - other.atMs);
        assert.deepEqual(
          back,
          expected.map(({ text }) => text),
        );
      }),
      { numRuns: 60 },
    );
  });
});

import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { FileGroup } from './file-group.ts';
import type { LogPage, LogQuery } from './log-event.ts';

const everything: LogQuery = { streams: null, fromMs: 0, toMs: 1e15, from: 'head', cursor: null, limit: 10_000, matches: () => true };
const line = (atMs: number, text: string): string => `{"at":${atMs},"request":"${text}"}`;
const messages = ({ events }: LogPage): string[] => events.map(({ message }) => message);

function fixture(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-file-group-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'x.log');
  const rotate = (): void => {
    for (const number of [2, 1]) {
      try {
        renameSync(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
      } catch {
        // does not exist yet
      }
    }
  };
  return { path, rotate, group: new FileGroup({ name: '/penstock/requests', path, files: 3, flush: async () => {} }) };
}

async function all(group: FileGroup, wish: Partial<LogQuery>): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = null, isEnd = false; !isEnd; ) {
    const page: LogPage = await group.read({ ...everything, ...wish, cursor });
    if (wish.from === 'tail') found.unshift(...messages(page));
    else found.push(...messages(page));
    [cursor, isEnd] = [wish.from === 'tail' ? page.before : page.after, page.isEnd];
  }
  return found;
}

test('reads rotated files as one log, in both directions, page by page', async (t) => {
  const { path, rotate, group } = fixture(t);
  const lines = Array.from({ length: 9 }, (_, i) => line(100 + i, `r${i}`));
  for (let part = 0; part < 3; part++) {
    if (part > 0) rotate();
    writeFileSync(path, `${lines.slice(3 * part, 3 * part + 3).join('\n')}\n`);
  }
  assert.deepEqual(await all(group, { limit: 2 }), lines);
  assert.deepEqual(await all(group, { limit: 2, from: 'tail' }), lines);
  assert.deepEqual(await all(group, { fromMs: 102, toMs: 106 }), lines.slice(2, 6));
  assert.deepEqual(await all(group, { fromMs: 102, toMs: 106, from: 'tail', limit: 3 }), lines.slice(2, 6));
  assert.deepEqual(await all(group, { containing: 'r4', matches: (message) => message.includes('r4') }), [lines[4]]);
});

test('a follower gets every line exactly once, also across a rotation', async (t) => {
  const { path, rotate, group } = fixture(t);
  writeFileSync(path, `${line(1, 'a')}\n`);
  const first = await group.read({ ...everything, from: 'tail' });
  appendFileSync(path, `${line(2, 'b')}\n${line(3, 'half')}`);
  const second = await group.read({ ...everything, cursor: first.after });
  assert.deepEqual(messages(second), [line(2, 'b')]);
  appendFileSync(path, '\n');
  rotate();
  writeFileSync(path, `${line(4, 'd')}\n`);
  const third = await group.read({ ...everything, cursor: second.after });
  assert.deepEqual(messages(third), [line(3, 'half'), line(4, 'd')]);
  const end = await group.read({ ...everything, cursor: third.after });
  assert.deepEqual([end.events, end.after, end.isEnd], [[], third.after, true]);
});

test('handles a missing file, an endless line and a single line', async (t) => {
  const { path, group } = fixture(t);
  assert.deepEqual(await all(group, {}), []);
  assert.deepEqual((await group.streamView()).bytes, 0);
  writeFileSync(path, `${line(1, 'a')}\n${'x'.repeat(9_000_000)}\n${line(2, 'b')}\n`);
  assert.deepEqual(
    (await all(group, {})).filter((text) => text.length < 100),
    [line(1, 'a'), line(2, 'b')],
  );
  assert.deepEqual(
    (await all(group, { from: 'tail' })).filter((text) => text.length < 100),
    [line(1, 'a'), line(2, 'b')],
  );
  writeFileSync(path, 'x'.repeat(300_000));
  assert.deepEqual([await all(group, {}), await all(group, { from: 'tail' })], [[], []]);
});

test('finds a time span exactly in a large file', async (t) => {
  const { path, group } = fixture(t);
  const lines = Array.from({ length: 20_000 }, (_, i) => line(1000 + Math.floor(i / 3), `${'p'.repeat(i % 90)}${i}`));
  writeFileSync(path, `${lines.join('\n')}\n`);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 900, max: 8000 }), fc.integer({ min: 1, max: 40 }), async (fromMs, limit) => {
      const expected = lines.filter((_, i) => 1000 + Math.floor(i / 3) >= fromMs).slice(0, limit);
      assert.deepEqual(messages(await group.read({ ...everything, fromMs, limit })), expected);
    }),
    { numRuns: 40 },
  );
});

test('finds all lines of a time span even if the clock was set back', async (t) => {
  const { path, rotate, group } = fixture(t);
  const lines: { atMs: number; text: string }[] = [];
  for (let i = 0; i < 9000; i++) {
    // The clock is set back twice, and some lines are late, like those of long requests.
    const atMs = 100_000 + 10 * i - (i > 2000 ? 15_000 : 0) - (i > 7000 ? 60_000 : 0) - (i % 7 === 0 ? 500 : 0);
    lines.push({ atMs, text: line(atMs, `${'p'.repeat(i % 200)}${i}`) });
  }
  for (let part = 0; part < 3; part++) {
    if (part > 0) rotate();
    const own = lines.slice(3000 * part, 3000 * part + 3000);
    writeFileSync(path, `${own.map(({ text }) => text).join('\n')}\n`);
  }
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 90_000, max: 200_000 }),
      fc.constantFrom(200, 3000, 90_000),
      fc.constantFrom('head' as const, 'tail' as const),
      async (fromMs, forMs, from) => {
        const toMs = fromMs + forMs;
        const expected = lines.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map(({ text }) => text);
        assert.deepEqual(await all(group, { fromMs, toMs, from, limit: 1000 }), expected);
      },
    ),
    { numRuns: 40 },
  );
});

test('indexes appended lines, and starts again for a truncated file', async (t) => {
  const { path, group } = fixture(t);
  writeFileSync(path, `${line(5, 'a')}\n${line(9, 'half')}`);
  assert.deepEqual(await all(group, { fromMs: 1, toMs: 10 }), [line(5, 'a')]);
  appendFileSync(path, `\n${line(2, 'b')}\n`);
  assert.deepEqual(await all(group, { fromMs: 1, toMs: 3 }), [line(2, 'b')]);
  assert.deepEqual(await all(group, { fromMs: 9, toMs: 10, from: 'tail' }), [line(9, 'half')]);
  truncateSync(path, 0);
  appendFileSync(path, `${line(7, 'c')}\n`);
  assert.deepEqual(await all(group, {}), [line(7, 'c')]);
});

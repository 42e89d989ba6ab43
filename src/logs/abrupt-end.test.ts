import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { VirtualClock } from '../clock.ts';
import { Events } from '../records/index.ts';
import { abruptEnds, lostLinesText, recordAbruptEnd } from './abrupt-end.ts';

const atMs = Date.UTC(2026, 10, 27, 7);

for (const { when, lastSignMs, machineStartedAtMs, warns, loses } of [
  { when: 'shut down cleanly', lastSignMs: null, machineStartedAtMs: atMs - 1, warns: null, loses: [] },
  {
    when: 'was killed',
    lastSignMs: atMs - 5000,
    machineStartedAtMs: atMs - 60_000,
    warns: /^the previous server ended abruptly \(kill -9 or a crash\): /,
    loses: [
      'the last 0.3 s before the server ended abruptly (kill -9 or a crash), between 2026-11-27T06:59:55.000Z and 2026-11-27T07:00:00.000Z',
    ],
  },
  {
    when: 'went down with its machine',
    lastSignMs: atMs - 60_000,
    machineStartedAtMs: atMs - 5000,
    warns: /^the machine went down while the previous server was running: /,
    loses: [
      'the last 30 s before the machine went down while the server was running, between 2026-11-27T06:59:00.000Z and 2026-11-27T07:00:00.000Z',
    ],
  },
]) {
  test(`reports at startup ${warns === null ? 'nothing ' : 'what is lost '}if the previous server ${when}`, async () => {
    const { db, close } = await openMemoryDatabase();
    const events = new Events(db, new VirtualClock(atMs));
    const warnings: string[] = [];
    const log = { warn: (_fields: unknown, message: string) => void warnings.push(message) };
    await recordAbruptEnd({ events, log, lastSignMs, machineStartedAtMs });
    assert.deepEqual((await abruptEnds(events, 0, 3)).map(lostLinesText), loses);
    assert.deepEqual(await abruptEnds(events, atMs + 1, 3), []);
    assert.equal(warnings.length, loses.length);
    if (warns !== null) assert.match(warnings[0] ?? '', warns);
    await close();
  });
}

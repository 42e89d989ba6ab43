import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { openDatabase } from '../../storage/index.ts';
import { abruptEnds, linesLostIn, tellAbruptEnd } from './abrupt-end.ts';
import { Events } from './events.ts';

const atMs = Date.UTC(2026, 10, 27, 7);

for (const { when, lastSignMs, machineStartedAtMs, warns, loses } of [
  { when: 'ended as it should', lastSignMs: null, machineStartedAtMs: atMs - 1, warns: null, loses: [] },
  {
    when: 'was killed',
    lastSignMs: atMs - 5000,
    machineStartedAtMs: atMs - 60_000,
    warns: /^the server before this one ended abruptly \(kill -9, a crash\): /,
    loses: [
      'the last 0.3 s before the server ended abruptly (kill -9, a crash), which was between 2026-11-27T06:59:55.000Z and 2026-11-27T07:00:00.000Z',
    ],
  },
  {
    when: 'went down with its machine',
    lastSignMs: atMs - 60_000,
    machineStartedAtMs: atMs - 5000,
    warns: /^the machine went down under the server before this one: /,
    loses: [
      'the last 30 s before the machine went down under the server, which was between 2026-11-27T06:59:00.000Z and 2026-11-27T07:00:00.000Z',
    ],
  },
]) {
  test(`a server says at its start that the one before ${when}${warns === null ? ', which is nothing' : ', and what is lost'}`, async () => {
    const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
    const events = new Events(db, new VirtualClock(atMs));
    const warnings: string[] = [];
    const log = { warn: (_fields: unknown, message: string) => void warnings.push(message) };
    await tellAbruptEnd({ events, log, lastSignMs, machineStartedAtMs });
    assert.deepEqual((await abruptEnds(events, 0, 3)).map(linesLostIn), loses);
    assert.deepEqual(await abruptEnds(events, atMs + 1, 3), []);
    assert.equal(warnings.length, loses.length);
    if (warns !== null) assert.match(warnings[0] ?? '', warns);
    await close();
  });
}

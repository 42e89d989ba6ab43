import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { Events } from '../../records/index.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { requestRoutes } from './requests.ts';

test('names only the latest of several abrupt ends that may have lost the log line', async (t) => {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock(Date.UTC(2026, 10, 27, 7));
  const events = new Events(db, clock);
  for (let kills = 0; kills < 3; kills++) {
    clock.advance(60_000);
    await events.recordAndPublish({
      kind: 'server.crashed',
      subject: 'server',
      detail: { lastSignMs: clock.wallMs() - 1000, withMachine: false },
    });
  }
  const logGroups = { has: () => false, streams: async () => [] };
  const [why] = requestRoutes({ logGroups, decisions: {}, events } as unknown as ApiServices);
  const answer = Promise.resolve().then(() => why?.handle({ params: { request: 'missing' } } as RouteCall<unknown, unknown, unknown>));
  await assert.rejects(answer, (error: Error) => {
    assert.equal(error.message.split('ended abruptly').length, 2, error.message);
    assert.match(error.message, /between 2026-11-27T07:02:59\.000Z and 2026-11-27T07:03:00\.000Z/);
    return true;
  });
});

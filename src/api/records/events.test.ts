import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { openMemoryDatabase } from '../../../test/empty-database.ts';
import { VirtualClock } from '../../clock.ts';
import { type EventKind, Events } from '../../records/index.ts';
import type { EventBody, PageBody } from '../bodies.ts';
import type { RouteCall } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { Streams } from '../routing/streams.ts';
import { eventRoutes } from './events.ts';

async function fixture(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
  t.after(close);
  const clock = new VirtualClock();
  const events = new Events(db, clock);
  const streams = new Streams(clock, () => ({}));
  t.after(() => streams.close());
  const deployments = { list: () => [{ config: { name: 'digits' } }] };
  const [recent, follow] = eventRoutes({ events, deployments } as unknown as ApiServices, streams);
  const record = (kind: EventKind, subject: string) => events.recordAndPublish({ kind, subject, detail: null });
  await record('endpoint.created', 'digits');
  await record('endpoint.in-service', 'digits');
  await record('endpoint.in-service', 'other');
  await record('alarm.state-changed', 'penstock/digits/errors');
  return {
    events,
    record,
    list: (query: object) => recent?.handle({ query } as RouteCall<unknown, unknown, unknown>) as Promise<PageBody<EventBody>>,
    /** Returns the sequence numbers of the events sent so far. */
    follow: async (query: object, headers: object = {}): Promise<() => number[]> => {
      const body = new PassThrough();
      const response = Object.assign(body, { writeHead: () => {} }) as unknown as ServerResponse;
      const caller = { keyId: 'me', role: 'viewer' };
      await follow?.handle({ query: { recent: 0, ...query }, request: { headers }, response, caller } as RouteCall<
        unknown,
        unknown,
        unknown
      >);
      const sent: number[] = [];
      return () => {
        const text = String((body.read() as Buffer | null) ?? '');
        sent.push(...[...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)));
        return sent;
      };
    },
  };
}

/** Resolves when all earlier database queries have completed. */
const settled = (events: Events) => events.lastSeq().then(() => new Promise((resolve) => setImmediate(resolve)));

const seqs = ({ items }: PageBody<EventBody>): number[] => items.map(({ seq }) => seq);

test('lists events of an endpoint with those of its alarms; a subject matches only itself', async (t) => {
  const { list } = await fixture(t);
  assert.deepEqual(seqs(await list({ endpoint: 'digits' })), [4, 2, 1]);
  assert.deepEqual(seqs(await list({ subject: 'digits' })), [2, 1]);
  assert.deepEqual(seqs(await list({ endpoint: 'digits', kind: 'alarm,endpoint.created' })), [4, 1]);
  const first = await list({ endpoint: 'digits', limit: 2 });
  assert.deepEqual([seqs(first), first.next], [[4, 2], '2']);
  assert.deepEqual(seqs(await list({ endpoint: 'digits', before: 2 })), [1]);
  await assert.rejects(list({ endpoint: 'digits', subject: 'digits' }), { code: 'invalid_request', message: /subject or endpoint/ });
});

test('rejects an unknown kind and names the known ones', async (t) => {
  const { list, follow } = await fixture(t);
  for (const kind of ['bogus', 'alarm,endpoint.faild', 'end'])
    await assert.rejects(list({ kind }), {
      code: 'invalid_request',
      message: /^unknown event kind \S+: expected one of alarm\.state-changed; async\.failed, /,
    });
  await assert.rejects(follow({ kind: 'bogus' }), { code: 'invalid_request' });
});

test('matches endpoint names case-insensitively, and deleted endpoints by their name', async (t) => {
  const { events, record, list, follow } = await fixture(t);
  assert.deepEqual(seqs(await list({ endpoint: 'DIGITS' })), [4, 2, 1]);
  assert.deepEqual(seqs(await list({ endpoint: 'other' })), [3]);
  const followed = await follow({ endpoint: 'Digits', recent: 1 });
  await record('endpoint.failed', 'digits');
  await settled(events);
  assert.deepEqual(followed(), [4, 5]);
});

test('streams matching past and live events, each exactly once', async (t) => {
  const { events, record, follow } = await fixture(t);
  const all = await follow({});
  const ofDigits = await follow({ endpoint: 'digits', recent: 2 });
  const failures = await follow({ kind: 'endpoint.failed', recent: 10 });
  const back = await follow({ endpoint: 'digits', recent: 1 }, { 'last-event-id': '1' });
  await record('endpoint.failed', 'other'); // while stored events are being read
  await record('endpoint.failed', 'digits');
  await settled(events);
  await record('endpoint.in-service', 'digits');
  await settled(events);
  assert.deepEqual(all(), [5, 6, 7]);
  assert.deepEqual(ofDigits(), [2, 4, 6, 7]);
  assert.deepEqual(failures(), [5, 6]);
  assert.deepEqual(back(), [2, 4, 6, 7], 'all missed events, not only `recent`');
});

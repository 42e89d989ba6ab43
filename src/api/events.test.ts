import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { type EventKind, Events } from '../monitoring/index.ts';
import { openDatabase } from '../storage/index.ts';
import type { EventBody, Page } from './bodies.ts';
import { eventRoutes } from './events.ts';
import type { Call } from './route.ts';
import type { ApiServices } from './services.ts';
import { Streams } from './streams.ts';

async function house(t: TestContext) {
  const { db, close } = await openDatabase({ file: ':memory:', synchronous: 'NORMAL' });
  t.after(close);
  const clock = new VirtualClock();
  const events = new Events(db, clock);
  const streams = new Streams(clock, () => ({}));
  t.after(() => streams.close());
  const deployments = { list: () => [{ config: { name: 'digits' } }] };
  const [recent, follow] = eventRoutes({ events, deployments } as unknown as ApiServices, streams);
  const tell = (kind: EventKind, subject: string) => events.recordAndPublish({ kind, subject, detail: null });
  await tell('endpoint.created', 'digits');
  await tell('endpoint.in-service', 'digits');
  await tell('endpoint.in-service', 'other');
  await tell('alarm.state-changed', 'penstock/digits/errors');
  return {
    events,
    tell,
    list: (query: object) => recent?.handle({ query } as Call<unknown, unknown, unknown>) as Promise<Page<EventBody>>,
    /** The numbers of the events that were sent until now. */
    follow: async (query: object, headers: object = {}): Promise<() => number[]> => {
      const body = new PassThrough();
      const response = Object.assign(body, { writeHead: () => {} }) as unknown as ServerResponse;
      await follow?.handle({ query: { recent: 0, ...query }, request: { headers }, response } as Call<unknown, unknown, unknown>);
      const sent: number[] = [];
      return () => {
        const text = String((body.read() as Buffer | null) ?? '');
        sent.push(...[...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)));
        return sent;
      };
    },
  };
}

/** Whatever was asked of the database before is answered by then. */
const answered = (events: Events) => events.lastSeq().then(() => new Promise((resolve) => setImmediate(resolve)));

const seqs = ({ items }: Page<EventBody>): number[] => items.map(({ seq }) => seq);

test('of an endpoint what happened to its alarms is told too; a subject is that alone', async (t) => {
  const { list } = await house(t);
  assert.deepEqual(seqs(await list({ endpoint: 'digits' })), [4, 2, 1]);
  assert.deepEqual(seqs(await list({ subject: 'digits' })), [2, 1]);
  assert.deepEqual(seqs(await list({ endpoint: 'digits', kind: 'alarm,endpoint.created' })), [4, 1]);
  const first = await list({ endpoint: 'digits', limit: 2 });
  assert.deepEqual([seqs(first), first.next], [[4, 2], '2']);
  assert.deepEqual(seqs(await list({ endpoint: 'digits', before: 2 })), [1]);
  await assert.rejects(list({ endpoint: 'digits', subject: 'digits' }), { code: 'invalid_request', message: /subject or endpoint/ });
});

test('a kind that no event has is refused with those that there are', async (t) => {
  const { list, follow } = await house(t);
  for (const kind of ['bogus', 'alarm,endpoint.faild', 'end'])
    await assert.rejects(list({ kind }), {
      code: 'invalid_request',
      message: /^no event is of the kind \S+: kinds are alarm\.state-changed; async\.failed, /,
    });
  await assert.rejects(follow({ kind: 'bogus' }), { code: 'invalid_request' });
});

test('an endpoint is found whatever the case of its name, as everywhere else; what is gone by the name that it had', async (t) => {
  const { events, tell, list, follow } = await house(t);
  assert.deepEqual(seqs(await list({ endpoint: 'DIGITS' })), [4, 2, 1]);
  assert.deepEqual(seqs(await list({ endpoint: 'other' })), [3]);
  const followed = await follow({ endpoint: 'Digits', recent: 1 });
  await tell('endpoint.failed', 'digits');
  await answered(events);
  assert.deepEqual(followed(), [4, 5]);
});

test('who follows gets what is wished, of the past as of what comes, each once', async (t) => {
  const { events, tell, follow } = await house(t);
  const all = await follow({});
  const ofDigits = await follow({ endpoint: 'digits', recent: 2 });
  const failures = await follow({ kind: 'endpoint.failed', recent: 10 });
  const back = await follow({ endpoint: 'digits', recent: 1 }, { 'last-event-id': '1' });
  await tell('endpoint.failed', 'other'); // while the past is being read
  await tell('endpoint.failed', 'digits');
  await answered(events);
  await tell('endpoint.in-service', 'digits');
  await answered(events);
  assert.deepEqual(all(), [5, 6, 7]);
  assert.deepEqual(ofDigits(), [2, 4, 6, 7]);
  assert.deepEqual(failures(), [5, 6]);
  assert.deepEqual(back(), [2, 4, 6, 7], 'all that was missed, not only so many');
});

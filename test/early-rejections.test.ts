/**
 * Inferences that are rejected while their bodies are still arriving, on the fast path and by node:http: the same bytes, nothing held, and no
 * other requests than were sent.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { FastRequest } from '../src/connections/index.ts';
import { selfSignedCertificate } from '../src/http/index.ts';
import { statusesOf } from './end-to-end/raw-client.ts';
import { bodyLimitBytes } from './exchange-bodies.ts';
import { type Exchanges, openExchanges } from './exchange-fixture.ts';
import { dial, received } from './raw-connections.ts';

const closing = 'GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
/** What a body would smuggle if a part of it were read as a request. */
const smuggled = 'POST /v2/models/smuggled/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n';

interface Opened {
  readonly exchanges: Exchanges;
  readonly port: number;
  readonly isTls: boolean;
  /** The values of `authorization`. */
  readonly key: string;
  readonly limitedKey: string;
  /** Requests on the fast path. */
  readonly fast: string[];
}

async function open(isFast: boolean, isTls: boolean): Promise<Opened> {
  const tls = isTls ? selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 30 }) : null;
  const exchanges = await openExchanges({ isFast, tls });
  const { access, listener } = exchanges;
  const bearer = ({ id, secret }: { readonly id: string; readonly secret: string }): string => `Bearer ${id}:${secret}`;
  const limited = access.create('invoker', '', { ratePerSecond: 1e-6 });
  const caller = access.authenticate({ authorization: bearer(limited) }, { remoteAddress: '127.0.0.1', listenerIsLoopback: true });
  caller.limiter?.begin()();
  const fast: string[] = [];
  const enter = listener.activity.enter.bind(listener.activity);
  listener.activity.enter = (request) => {
    if ((request as object) instanceof FastRequest) fast.push(request.url ?? '');
    enter(request);
  };
  const port = Number(new URL(exchanges.url).port);
  return { exchanges, port, isTls, key: bearer(access.create('invoker')), limitedKey: bearer(limited), fast };
}

type Rejection = 'too large' | 'overloaded' | 'unauthenticated' | 'not found';
const statuses: Readonly<Record<Rejection, number>> = { 'too large': 413, overloaded: 429, unauthenticated: 401, 'not found': 404 };

function headOf(opened: Opened, rejection: Rejection | null, bytes: number): string {
  const model = rejection === 'not found' ? 'unknown' : 'tensors';
  const keys: Partial<Record<Rejection, string>> = { overloaded: opened.limitedKey, unauthenticated: 'Bearer no:key' };
  const key = (rejection === null ? undefined : keys[rejection]) ?? opened.key;
  const path = rejection === null ? '/v2/models/next/infer' : `/v2/models/${model}/infer`;
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\nContent-Length: ${bytes}\r\n\r\n`;
}

function bodyOf(bytes: number): Buffer {
  return Buffer.alloc(bytes, smuggled);
}

const next = (opened: Opened): Buffer => Buffer.from(`${headOf(opened, null, 3)}abc${closing}`);

/** Keys, and the times until they may be used again, differ from one server to the next. */
function withoutKeys(text: string): string {
  return text
    .replaceAll(/the key [^ ]+/g, 'the key')
    .replaceAll(/content-length: \d+/g, 'content-length')
    .replaceAll(/retry-after: \d+/g, 'retry-after');
}

/** Sends the pieces, each in a later turn of the event loop; the last request closes the connection. */
async function exchange({ port, isTls }: Opened, pieces: readonly Buffer[]): Promise<string> {
  const socket = await dial(port, isTls);
  const text = received(socket);
  for (const piece of pieces) {
    socket.write(piece);
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  }
  return withoutKeys(await text);
}

function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % whole.length).sort((a, b) => a - b), whole.length];
  return ends.map((end, at) => whole.subarray(ends[at - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

for (const isTls of [false, true]) {
  describe(`an inference that is rejected before its body has arrived, ${isTls ? 'over TLS' : 'without TLS'}`, () => {
    let fast: Opened;
    let node: Opened;
    before(async () => {
      fast = await open(true, isTls);
      node = await open(false, false);
    });
    after(async () => {
      await Promise.all([fast?.exchanges.close(), node?.exchanges.close()]);
    });

    for (const rejection of Object.keys(statuses) as Rejection[]) {
      test(`because of ${rejection} has its answer at once, and its connection serves the next request`, async () => {
        const bytes = bodyLimitBytes + 100_000;
        const answers = await Promise.all(
          [fast, node].map(async (opened) => {
            const body = bodyOf(bytes);
            const socket = await dial(opened.port, opened.isTls);
            const text = received(socket);
            socket.write(Buffer.concat([Buffer.from(headOf(opened, rejection, bytes)), body.subarray(0, 1000)]));
            const [first] = (await once(socket, 'data')) as [Buffer];
            assert.match(first.toString(), new RegExp(`^HTTP/1.1 ${statuses[rejection]} `));
            assert.equal(opened.exchanges.listener.bodies.budget.bytes, 0);
            for (const piece of [body.subarray(1000, 200_000), body.subarray(200_000), next(opened)]) {
              socket.write(piece);
              for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
            }
            return withoutKeys(await text);
          }),
        );
        assert.equal(answers[0], answers[1]);
        assert.deepEqual(statusesOf(answers[0] ?? ''), [statuses[rejection], 404, 200]);
        assert.deepEqual(
          fast.fast.splice(0).map((url) => url.split('/')[3]),
          [rejection === 'not found' ? 'unknown' : 'tensors', 'next'],
        );
        assert.equal(fast.exchanges.listener.bodies.budget.bytes, 0);
      });
    }

    test('is followed by exactly the requests that were sent, pipelined and cut at any places', async () => {
      const rejections = fc.constantFrom<Rejection>('too large', 'overloaded', 'not found');
      const request = fc.record({ rejection: rejections, bytes: fc.integer({ min: bodyLimitBytes + 1, max: 600_000 }) });
      const stream = fc.record({
        requests: fc.array(request, { minLength: 1, maxLength: 3 }),
        places: fc.array(fc.nat(), { maxLength: 6 }),
      });
      await fc.assert(
        fc.asyncProperty(stream, async ({ requests, places }) => {
          const answers = await Promise.all(
            [fast, node].map((opened) => {
              const parts = requests.flatMap(({ rejection, bytes }) => [Buffer.from(headOf(opened, rejection, bytes)), bodyOf(bytes)]);
              return exchange(opened, cut(Buffer.concat([...parts, next(opened)]), places));
            }),
          );
          assert.equal(answers[0], answers[1]);
          assert.deepEqual(statusesOf(answers[0] ?? ''), [...requests.map(({ rejection }) => statuses[rejection]), 404, 200]);
          assert.equal(fast.fast.splice(0).filter((url) => url.includes('smuggled')).length, 0);
          assert.equal(fast.exchanges.listener.bodies.budget.bytes, 0);
        }),
        { numRuns: process.env['PENSTOCK_SOAK'] === '1' ? 300 : 10 },
      );
    });

    test('leaves nothing behind if its client disconnects in the middle of the body', async () => {
      for (const rejection of Object.keys(statuses) as Rejection[]) {
        const socket = await dial(fast.port, isTls);
        socket.write(Buffer.concat([Buffer.from(headOf(fast, rejection, 300_000)), bodyOf(200_000)]));
        await once(socket, 'data');
        socket.destroy();
      }
      assert.deepEqual(statusesOf(await exchange(fast, [next(fast)])), [404, 200]);
      const { budget } = fast.exchanges.listener.bodies;
      assert.deepEqual([budget.bytes, budget.largest()], [0, null]);
    });
  });
}

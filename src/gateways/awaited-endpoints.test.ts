/** Requests for endpoints that come back into service after a change of the home. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { AwaitedEndpoints } from './awaited-endpoints.ts';

let clock: VirtualClock;
let awaited: Set<string>;
let changed: () => void;
let endpoints: AwaitedEndpoints;
let events: string[];

beforeEach(() => {
  clock = new VirtualClock();
  awaited = new Set(['digits', 'slow']);
  events = [];
  const isAwaited = (endpoint: string): boolean => awaited.has(endpoint.toLowerCase());
  const state = {
    get ready() {
      return awaited.size === 0;
    },
  };
  endpoints = new AwaitedEndpoints({ isAwaited, state, onChange: (listener) => (changed = listener) }, clock);
});

function serve(url: string): () => void {
  return endpoints.serve(url, () => {
    events.push(url);
    return () => events.push(`left ${url}`);
  });
}

test('a request is served at once if its endpoint is in service, else when it is', () => {
  for (const url of ['/v2/models/ready/infer', '/v2/models/Digits/infer', '/v1/models/digits:predict', '/v2/models/slow/versions/1/infer'])
    serve(url);
  assert.deepEqual(events, ['/v2/models/ready/infer']);
  assert.deepEqual([endpoints.awaits('/v2/models/ready/infer'), endpoints.awaits('/v2/models/slow/infer')], [false, true]);
  awaited.delete('digits');
  changed();
  assert.deepEqual(events.slice(1), ['/v2/models/Digits/infer', '/v1/models/digits:predict']);
});

test('calls of the native API, of AWS and of gRPC wait as well; control calls and asynchronous requests do not', () => {
  const calls = ['/api/v1/endpoints/digits/invoke', '/endpoints/digits/invocations', '/endpoints/Digits/invocations-response-stream?x=1'];
  for (const url of calls) assert.equal(endpoints.awaits(url), true, url);
  for (const url of ['/api/v1/endpoints/digits/async', '/endpoints/digits/async-invocations', '/api/v1/endpoints/digits/rollback'])
    assert.equal(endpoints.awaits(url), false, url);
  assert.deepEqual([endpoints.awaitsEndpoint('Digits'), endpoints.awaitsEndpoint('ready')], [true, false]);
  endpoints.serveBy('Digits', () => {
    events.push('served');
    return () => undefined;
  });
  assert.deepEqual(events, []);
  awaited.delete('digits');
  changed();
  assert.deepEqual(events, ['served']);
});

test('a request waits for a minute at most', () => {
  serve('/v2/models/slow/infer');
  clock.advance(60_000);
  assert.deepEqual(events, ['/v2/models/slow/infer']);
});

test('a client that disconnects before its request is served is forgotten; later, the request is cancelled', () => {
  serve('/v2/models/digits/infer')();
  const leave = serve('/v2/models/digits/versions/1/infer');
  awaited.clear();
  changed();
  clock.advance(60_000);
  leave();
  assert.deepEqual(events, ['/v2/models/digits/versions/1/infer', 'left /v2/models/digits/versions/1/infer']);
});

test('the rest waits until all endpoints are in service, or for its own time', async () => {
  let settled = 0;
  for (const timeoutMs of [1000, 5000]) {
    awaited.add('digits');
    void endpoints.settled(timeoutMs).then(() => settled++);
    clock.advance(999);
    awaited.delete('digits');
    changed();
    await new Promise(setImmediate);
    assert.equal(settled, 0, 'slow is awaited');
    clock.advance(1);
    if (timeoutMs > 1000) {
      awaited.clear();
      changed();
    }
    await new Promise(setImmediate);
    assert.equal(settled, 1);
    settled = 0;
  }
  await endpoints.settled(1000);
});

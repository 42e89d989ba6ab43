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
  endpoints = new AwaitedEndpoints({ isAwaited, onChange: (listener) => (changed = listener) }, clock);
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
  awaited.delete('digits');
  changed();
  assert.deepEqual(events.slice(1), ['/v2/models/Digits/infer', '/v1/models/digits:predict']);
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

/** Hostile bodies for every decoder, once, from four clients. `npm run soak:bodies` repeats this with stricter limits for a quiet machine. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { HealthProbe } from './health-probe.ts';
import { hostileBodies, makeBodies, sendAll, startTarget } from './hostile-bodies.ts';
import type { Server } from './server.ts';

/** Generous, for machines that run many tests at once. Without bounded parsing, probes take seconds or the server dies. */
const probeP99MsMax = 500;
const refusalMsMax = 60_000;

let server: Server;
before(async () => {
  server = await startTarget();
});
after(() => server?.end());

test('rejects 65 KB that decompress to 33.5 million lines of CSV', async () => {
  const body = new Uint8Array(gzipSync(Buffer.alloc(67_000_000, '1\n')));
  const headers = { 'content-type': 'text/csv', 'content-encoding': 'gzip' };
  const response = await fetch(`${server.url}/api/v1/endpoints/digits/invoke`, { method: 'POST', headers, body });
  assert.equal(response.status, 413, await response.text());
});

test('answers bodies of 1, 10 and 100 times the limit while health probes stay fast', async () => {
  const bodies = hostileBodies(4096);
  makeBodies();
  const probe = new HealthProbe(server.url);
  const outcomes = await sendAll(server, bodies, 4);
  const { count, p99Ms, maxMs } = await probe.end();
  const slow = outcomes.filter(({ status, ms }) => status !== 200 && ms > refusalMsMax);
  assert.deepEqual(slow, []);
  assert(count > 20 && p99Ms <= probeP99MsMax, `p99 of ${count} probes is ${p99Ms.toFixed(0)} ms, the longest ${maxMs.toFixed(0)} ms`);
  assert(!server.hasEnded, server.stderr);
});

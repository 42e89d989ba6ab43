/** `npm run soak:bodies [-- --rounds 3]`: sends the bodies of `hostile-bodies.ts` repeatedly and checks for leaks. Needs a quiet machine. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HealthProbe } from './health-probe.ts';
import { hostileBodies, makeBodies, type Outcome, rssMiB, sendAll, startTarget } from './hostile-bodies.ts';
import type { Server } from './server.ts';

const rounds = Number(process.env['PENSTOCK_ROUNDS'] ?? 3);
const probeP99MsMax = 50;
/** From the last byte. */
const refusalMsMax = 1000;
const ordinaryMs = 10_000;
const restMs = 60_000;
const leftMiBMax = 100;

let server: Server;
before(async () => {
  server = await startTarget();
});
after(() => server?.end());

/** Warms up memory: V8's young generation grows with any load, hostile or not. */
async function ordinaryTraffic(): Promise<void> {
  const instances = [Array<number>(64).fill(1)];
  const untilMs = performance.now() + ordinaryMs;
  const client = async (): Promise<void> => {
    while (performance.now() < untilMs) await server.callWell('POST', '/endpoints/digits/invoke', { instances });
  };
  await Promise.all(Array.from({ length: 32 }, client));
}

test('hostile bodies delay no other requests and leak no memory', async () => {
  const bodies = hostileBodies(65_536);
  makeBodies();
  await ordinaryTraffic();
  const beforeMiB = rssMiB(server);
  const probe = new HealthProbe(server.url);
  const outcomes: Outcome[] = [];
  let mostMiB = 0;
  for (let round = 0; round < rounds; round++) {
    outcomes.push(...(await sendAll(server, bodies, 4)));
    mostMiB = Math.max(mostMiB, rssMiB(server));
  }
  const { count, p99Ms, maxMs } = await probe.end();
  const slowest = outcomes.filter(({ status }) => status !== 200).sort((a, b) => b.ms - a.ms);
  for (const { what, status, ms } of slowest.slice(0, 5)) process.stdout.write(`${status} in ${ms.toFixed(0)} ms: ${what}\n`);
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const leftMiB = rssMiB(server) - beforeMiB;
  process.stdout.write(
    `probes: ${count}, p99 ${p99Ms.toFixed(1)} ms, longest ${maxMs.toFixed(1)} ms; RSS ${beforeMiB.toFixed(0)} MiB, at most ${mostMiB.toFixed(0)}, after a minute ${leftMiB.toFixed(0)} more\n`,
  );
  assert(p99Ms <= probeP99MsMax, `p99 of the probes is ${p99Ms} ms`);
  assert(leftMiB <= leftMiBMax, `${leftMiB} MiB were not released`);
  const late = slowest.filter(({ ms }) => ms > refusalMsMax);
  assert.deepEqual(late, []);
});

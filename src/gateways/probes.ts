/**
 * Probes of load balancers: `GET /v2/health/ready` and `GET /v2/health/live`. The home answers them, but not later than after a second,
 * because a balancer that gets no answer may wait for longer than its clients do. The connection ends with the answer, so each probe of a
 * client begins one, and is known by its first bytes.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';

/** For the answer, from the request on. */
export const probeMs = 1000;

/** A whole request, without a body unless a header says otherwise. */
const probe = /^GET \/v2\/health\/(?:ready|live) HTTP\/1\.[01]\r\n(?:[!-9;-~]+:[\t -~]*\r\n)*\r\n$/;
const otherHeader = /\r\n(?:content-length|transfer-encoding|expect|upgrade):/i;
const connectionHeader = /\r\nconnection:[^\r]*/gi;
const headBytesMax = 4096;

/** What to send to the home if the first bytes of a connection are a probe, and nothing else; else null. */
export function probeIn(bytes: Buffer): Buffer | null {
  const head = bytes.length <= headBytesMax ? bytes.toString('latin1') : '';
  if (!probe.test(head) || otherHeader.test(head)) return null;
  return Buffer.from(head.replace(connectionHeader, '').replace(/\r\n$/, 'Connection: close\r\n\r\n'), 'latin1');
}

/** Sends the probe. Resolves with the paused connection when its answer has begun; rejects if it ends before, or when aborted. */
export async function beginsToAnswer(home: Socket, bytes: Buffer, signal: AbortSignal): Promise<Socket> {
  try {
    home.write(bytes);
    await once(home, 'readable', { signal });
    if (home.readableLength === 0) throw new Error('the home closed the connection of a probe');
    return home;
  } catch (error) {
    home.on('error', () => undefined).destroy();
    throw error;
  }
}

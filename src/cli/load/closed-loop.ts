/**
 * A closed-loop load: each of N clients sends its next request after its previous response. It measures throughput. It
 * understates latency, because slow responses reduce the request rate (coordinated omission). Latencies count from the sending.
 */
import { HttpConnection, reconnectMs } from './http-connection.ts';
import { type LoadResult, type LoadTarget, Slowest } from './open-loop.ts';

/** The load ends by time or by requests, whichever comes first. */
export interface ClosedLoopOptions extends LoadTarget {
  readonly concurrency: number;
  readonly forMs: number;
  /** The load ends early after this many requests. */
  readonly requestsMax: number;
  readonly requestOf: (i: number) => Buffer;
  /** Called for each successful response, in the order of `latenciesMs`. `answeredMs` is its arrival on `clock`. */
  readonly onAnswer?: (i: number, body: Buffer, answeredMs: number) => void;
}

/** Runs until the time is over or the maximum was sent, and all requests are answered. */
export async function runClosedLoop(options: ClosedLoopOptions): Promise<LoadResult> {
  const { clock, concurrency, forMs, requestsMax, host, port, isTls, requestOf, onAnswer, onFailure, bounds, interrupted } = options;
  const latenciesMs: number[] = [];
  const slowest = new Slowest();
  const failures = new Map<string, number>();
  let sent = 0;
  const failed = (why: string, body: Buffer): void => {
    failures.set(why, (failures.get(why) ?? 0) + 1);
    onFailure?.(why, body);
  };
  const open = (): Promise<HttpConnection> => HttpConnection.open(host, port, isTls);
  const connections = await Promise.all(Array.from({ length: concurrency }, open));
  const startMs = clock.nowMs();
  let isLate = false;
  const isOver = (): boolean => isLate || interrupted?.aborted === true;
  const end = (): void => {
    for (const connection of connections) connection.close();
  };
  const cancel =
    bounds === undefined
      ? () => {}
      : clock.after(bounds.answerUntilMs, () => {
          isLate = true;
          end();
        });
  interrupted?.addEventListener('abort', end, { once: true });
  const call = async (first: HttpConnection, client: number): Promise<void> => {
    let connection = first;
    for (let sentMs = startMs; !isOver() && sentMs - startMs < forMs && sent < requestsMax; sentMs = clock.nowMs()) {
      const i = sent++;
      try {
        if (!connection.isOpen) connections[client] = connection = await open();
        const { status, head, body } = await connection.send(requestOf(i));
        if (status < 200 || status > 299) failed(String(status), body);
        else {
          const answeredMs = clock.nowMs();
          latenciesMs.push(answeredMs - sentMs);
          slowest.add(answeredMs - sentMs, head);
          onAnswer?.(i, body, answeredMs);
        }
      } catch {
        if (interrupted?.aborted === true) break;
        failed(isLate ? 'unanswered' : 'broken', Buffer.alloc(0));
        await new Promise<void>((resolve) => void clock.after(reconnectMs, resolve));
      }
    }
    connection.close();
  };
  await Promise.all(connections.map(call));
  cancel();
  interrupted?.removeEventListener('abort', end);
  const elapsedMs = clock.nowMs() - startMs;
  const sending = { waitsMs: [], lateMs: 0, lastSentMs: elapsedMs }; // in a closed loop, requests are due when they are sent
  return {
    latenciesMs,
    serviceMs: latenciesMs,
    slowest: slowest.answer,
    sending,
    failures,
    elapsedMs,
    interrupted: interrupted?.aborted === true,
  };
}

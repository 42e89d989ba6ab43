/** Sends requests at given times, whatever the server does, and compares the label of each answer with the right one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpConnection, type HttpResponse } from '../../../src/cli/load/http-connection.ts';

interface OpenLoad {
  readonly url: URL;
  /** Milliseconds after the begin, ascending. */
  readonly timesMs: readonly number[];
  /** The request and the right label of each time. */
  readonly requestOf: (index: number) => { readonly request: Buffer; readonly label: string };
  readonly limitMs: number;
  /** A request that is sent this much after its time counts as sent late. */
  readonly lateMs: number;
  readonly say: (text: string) => void;
}

export interface OpenLoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly firstFailure: string | null;
  readonly inTime: number;
  readonly accuracy: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** The longest delay of a request in this process, before it was sent. */
  readonly sentLateMs: number;
  /** Share of the requests that were sent late. */
  readonly lateShare: number;
  /** Of the last answer. */
  readonly lastRequestId: string | null;
  /** Share of the rows by plan. */
  readonly shares: Readonly<Record<string, number>>;
}

/** Sent requests that are not answered. */
const connectionsMax = 2000;
const sayEveryMs = 60_000;

export async function sendOpenLoad({ url, timesMs, requestOf, limitMs, lateMs, say }: OpenLoad): Promise<OpenLoadResult> {
  const idle: HttpConnection[] = [];
  let [opened, right, failed, inTime, sentLateMs, sentLate] = [0, 0, 0, 0, 0, 0];
  let firstFailure: string | null = null;
  let lastRequestId: string | null = null;
  const latencies: number[] = [];
  const plans = new Map<string, number>();
  const beganMs = performance.now();
  const nowMs = (): number => performance.now() - beganMs;

  /** After a burst, the server closes those that stay idle. */
  const idleConnection = (): HttpConnection | undefined => {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.isOpen) return connection;
      opened--;
    }
    return undefined;
  };

  const answered = ({ status, head, body }: HttpResponse, dueMs: number, label: string): void => {
    if (status !== 200) throw new Error(`status ${status}: ${body.toString('latin1', 0, 200)}`);
    const latencyMs = nowMs() - dueMs;
    latencies.push(latencyMs);
    if (latencyMs <= limitMs) inTime++;
    if (/"name":"label"[^}]*"data":\["?([^"\]]*)/.exec(body.toString('latin1'))?.[1] === label) right++;
    const plan = /\r\nx-penstock-plan: *([^\r\n]+)/i.exec(head)?.[1] ?? 'none';
    lastRequestId = /\r\nx-request-id: *([^\r\n]+)/i.exec(head)?.[1] ?? null;
    plans.set(plan, (plans.get(plan) ?? 0) + 1);
  };

  const send = async (index: number): Promise<void> => {
    const dueMs = timesMs[index] as number;
    const delayMs = nowMs() - dueMs;
    sentLateMs = Math.max(sentLateMs, delayMs);
    if (delayMs > lateMs) sentLate++;
    const { request, label } = requestOf(index);
    try {
      const connection = idleConnection() ?? (opened++ < connectionsMax ? await HttpConnection.open(url.hostname, Number(url.port)) : null);
      if (connection === null) throw new Error(`${connectionsMax} requests wait for an answer`);
      const response = await connection.send(request);
      idle.push(connection);
      answered(response, dueMs, label);
    } catch (error) {
      failed++;
      firstFailure ??= error instanceof Error ? error.message : String(error);
    }
  };

  const open: Promise<void>[] = [];
  let saidMs = 0;
  for (let next = 0; next < timesMs.length; ) {
    while (next < timesMs.length && (timesMs[next] as number) <= nowMs()) open.push(send(next++));
    await sleep(Math.min(Math.max(1, (timesMs[next] ?? 0) - nowMs()), 1000));
    if (nowMs() - saidMs < sayEveryMs) continue;
    saidMs = nowMs();
    say(
      `${(saidMs / 1000).toFixed(0)} s: ${latencies.length} answered, ${((100 * inTime) / latencies.length).toFixed(2)} % in time, ${failed} failed`,
    );
  }
  await Promise.all(open);
  for (const connection of idle) connection.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.min(Math.floor(share * latencies.length), latencies.length - 1)] ?? Number.NaN;
  const shares = Object.fromEntries([...plans].map(([plan, count]) => [plan, count / latencies.length]));
  return {
    requests: timesMs.length,
    failed,
    firstFailure,
    inTime: inTime / timesMs.length,
    accuracy: right / latencies.length,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    sentLateMs,
    lateShare: sentLate / timesMs.length,
    lastRequestId,
    shares,
  };
}

/**
 * A closed loop: so many clients, each sends its next request when it has its answer. It finds what a server can do at
 * most; it cannot tell what users feel, since it never sends while it waits (coordinated omission): see open-loop.ts.
 */
import { HttpConnection } from '../../src/cli/load/http-connection.ts';

export interface ClosedLoopOptions {
  readonly host: string;
  readonly port: number;
  readonly concurrency: number;
  /** Left out of the result. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** The request of the i-th call, whole. */
  readonly requestOf: (i: number) => Buffer;
}

export interface ClosedLoopResult {
  /** Of answers with status 200 that came after the warm-up. */
  readonly latenciesMs: readonly number[];
  readonly failures: ReadonlyMap<string, number>;
  readonly elapsedMs: number;
}

export async function runClosedLoop(options: ClosedLoopOptions): Promise<ClosedLoopResult> {
  const latenciesMs: number[] = [];
  const failures = new Map<string, number>();
  const measureFromMs = performance.now() + options.warmUpMs;
  const endMs = measureFromMs + options.measureMs;
  let calls = 0;

  const client = async (): Promise<void> => {
    const connection = await HttpConnection.open(options.host, options.port);
    try {
      for (let sentMs = performance.now(); sentMs < endMs; ) {
        const { status } = await connection.send(options.requestOf(calls++));
        const answeredMs = performance.now();
        if (status !== 200) failures.set(String(status), (failures.get(String(status)) ?? 0) + 1);
        else if (answeredMs >= measureFromMs && answeredMs < endMs) latenciesMs.push(answeredMs - sentMs);
        sentMs = answeredMs;
      }
    } catch {
      failures.set('broken', (failures.get('broken') ?? 0) + 1);
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, client));
  return { latenciesMs, failures, elapsedMs: options.measureMs };
}

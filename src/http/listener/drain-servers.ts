/** Drains all protocol servers without causing errors for their clients. */
import type { Clock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import type { Log } from '../../logs/index.ts';

/** Grace period in which new requests are accepted, so each client can send one and receive `connection: close`. */
const graceMsMax = 2000;

/** A port that serves until its requests are done. */
interface DrainedPort {
  drain(time: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void>;
}

/** Everything that accepts requests. */
export interface DrainDeps {
  /** `end`: the server is not ready from now on. */
  readonly readiness: { end(): void };
  readonly log: Log;
  readonly clock: Clock;
  readonly listener: DrainedPort;
  /** `close` ends its event streams. */
  readonly api: { close(): void };
  readonly grpc: DrainedPort | null;
  /** `endHolds` answers calls that wait for a change, up to 50 s. */
  readonly aws: { endHolds(): void };
}

/** Marks the server as not ready and resolves when all open requests are done, or after `drainMs`. */
export async function drainServers({ drainMs: timeoutMs }: Pick<Config, 'drainMs'>, deps: DrainDeps): Promise<void> {
  const { log, clock, readiness, listener, api, grpc, aws } = deps;
  const graceMs = Math.min(graceMsMax, timeoutMs / 5);
  log.info({ timeoutMs }, 'draining: not ready any more; the server ends when its requests are done');
  readiness.end();
  aws.endHolds();
  // Browsers hold event streams open indefinitely and reconnect when a stream ends.
  const cancel = clock.after(graceMs, () => api.close());
  await Promise.all([listener.drain({ timeoutMs, graceMs }), grpc?.drain({ timeoutMs, graceMs })]);
  cancel();
}

/** Drains all protocol servers without causing errors for their clients. */
import type { NativeApi } from '../api/index.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Listener } from '../http/index.ts';
import type { Log } from '../logs/index.ts';
import type { GrpcPort, Servers } from './servers.ts';

/** Grace period in which new requests are accepted, so each client can send one and receive `connection: close`. */
const graceMsMax = 2000;

export interface DrainDeps extends Pick<Servers, 'readiness'> {
  readonly log: Log;
  readonly clock: Clock;
  readonly listener: Listener;
  readonly api: NativeApi;
  readonly grpc: GrpcPort | null;
}

/** Marks the server as not ready and resolves when all open requests are done, or after `drainMs`. */
export async function drainServers({ drainMs: timeoutMs }: Pick<Config, 'drainMs'>, deps: DrainDeps): Promise<void> {
  const { log, clock, readiness, listener, api, grpc } = deps;
  const graceMs = Math.min(graceMsMax, timeoutMs / 5);
  log.info({ timeoutMs }, 'draining: not ready any more; the server ends when its requests are done');
  readiness.end();
  // Browsers hold event streams open indefinitely and reconnect when a stream ends.
  const cancel = clock.after(graceMs, () => api.close());
  await Promise.all([listener.drain({ timeoutMs, graceMs }), grpc?.drain({ timeoutMs, graceMs })]);
  cancel();
}

/** Creates the HTTP listener with its configured limits. */
import type { Access } from '../access/index.ts';
import type { Config } from '../config.ts';
import { type Certificate, Listener } from '../http/index.ts';
import type { Foundation } from './foundation.ts';

/** Number of bodies of the maximum size that fit into the memory budget. */
const bodiesHeldMax = 16;

export interface ListenerDeps extends Pick<Foundation, 'logs' | 'clock'> {
  readonly tls: Certificate | null;
  readonly access: Access;
}

export function buildListener(config: Config, { tls, access, logs, clock }: ListenerDeps): Listener {
  const { host, port, bodyLimitBytes, connectionsMax, invocationLimitBytes } = config;
  const bodiesBytesMax = bodiesHeldMax * Math.max(bodyLimitBytes, invocationLimitBytes);
  return new Listener({
    host,
    port,
    tls,
    limits: { bodyLimitBytes, bodiesBytesMax, connectionsMax },
    access,
    log: logs.platform,
    writeAccess: (line) => logs.access(line),
    clock,
  });
}

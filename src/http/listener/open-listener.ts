/** Creates the HTTP listener with its configured limits. It starts to listen later. */
import type { Access } from '../../access/index.ts';
import type { Config } from '../../config.ts';
import type { Foundation } from '../../foundation/index.ts';
import type { Metrics } from '../../metrics/index.ts';
import type { BodyBudget } from '../bodies/body-budget.ts';
import type { FrontPort } from './front-port.ts';
import { Listener } from './listener.ts';
import { type Certificate } from './self-signed.ts';

/** Number of bodies of the maximum size that fit into the memory budget. */
const bodiesHeldMax = 16;

/** Modules that the listener stands on. */
export interface ListenerDeps extends Pick<Foundation, 'logs' | 'clock'> {
  readonly tls: Certificate | null;
  readonly access: Access;
  readonly fronts: FrontPort | null;
}

/** The budget of all bodies follows from the largest single one. */
export function openListener(config: Config, { tls, access, fronts, logs, clock }: ListenerDeps): Listener {
  const { host, port, bodyLimitBytes, connectionsMax, invocationLimitBytes } = config;
  const bodiesBytesMax = bodiesHeldMax * Math.max(bodyLimitBytes, invocationLimitBytes);
  return new Listener({
    host,
    port,
    tls,
    limits: { bodyLimitBytes, bodiesBytesMax, connectionsMax },
    access,
    fronts,
    log: logs.platform,
    writeAccess: (line) => logs.access(line),
    clock,
  });
}

/** Metrics of request bodies of all APIs. */
export function meterBodies(metrics: Metrics, budget: BodyBudget): void {
  const help = 'Memory budget for request bodies and gRPC messages: used and free.';
  metrics.gauge('penstock_bodies_bytes', help, ['state'], () =>
    Object.entries({ used: budget.bytes, free: budget.bytesMax - budget.bytes }).map(([state, value]) => ({ labels: { state }, value })),
  );
  metrics.counter('penstock_bodies_rejected_total', 'Bodies and messages rejected because the memory budget was used up.', [], () => [
    { labels: {}, value: budget.refused },
  ]);
}

/** Watches the process: event-loop delay and memory. */

import { loopBlocked } from '../../alerts/index.ts';
import type { Closers } from '../../closers.ts';
import type { Config } from '../../config.ts';
import type { Foundation } from '../../foundation/index.ts';
import { type Metrics, penstockNamespace } from '../../metrics/index.ts';
import { trimMemory, trimMemoryTask } from '../../threads/index.ts';
import { type Listener } from '../listener/listener.ts';
import { IdleMemory, loopMeter, youngGenerationBytes } from './idle-memory.ts';
import { LoopWatchdog } from './loop-watchdog.ts';
import { garbageCollector, memoryMeter, OverloadGuard } from './overload-guard.ts';

/** Both guards of the process. */
export interface Guards {
  /** Called once the server serves, because delays during startup affect no request. */
  readonly start: () => void;
  readonly watchdog: LoopWatchdog;
  readonly overload: OverloadGuard;
}

/** Creates both guards with their metrics, and adds their closers. */
export function openGuards(
  config: Pick<Config, 'memoryLimitBytes'>,
  { activity, bodies }: Pick<Listener, 'activity' | 'bodies'>,
  metrics: Metrics,
  { clock, logs, series, threads }: Pick<Foundation, 'clock' | 'logs' | 'series' | 'threads'>,
  closers: Closers,
): Guards {
  const delay = series.feed({ namespace: penstockNamespace, dimensions: {} }, { name: 'EventLoopDelay', unit: 'Milliseconds' });
  const { metricKey, name, unit } = loopBlocked;
  const blocked = series.feed(metricKey, { name, unit });
  const watchdog = new LoopWatchdog({
    clock,
    activity,
    log: logs.platform,
    onDelay: (ms) => delay.add(ms),
    onBlocked: (ms) => blocked.add(ms),
  });
  const memoryUse = memoryMeter(config.memoryLimitBytes);
  const collector = garbageCollector();
  const overload = new OverloadGuard({ clock, budget: bodies.budget, log: logs.platform, memoryUse, collectGarbage: collector.all });
  const idle = new IdleMemory({
    clock,
    loopShare: loopMeter(),
    youngBytes: youngGenerationBytes,
    collectYoung: collector.young,
    rssBytes: () => process.memoryUsage.rss(),
    trim: async () => void (await threads.run(trimMemoryTask, undefined, { bytes: 0, lane: 'background', work: trimming })),
    trimNow: () => void trimMemory(),
  });
  closers.push(() => watchdog.stop());
  closers.push(() => overload.stop());
  closers.push(() => idle.stop());
  const only = (value: number) => [{ labels: {}, value }];
  metrics.counter('penstock_event_loop_blocks_total', 'Event-loop delays above 100 ms.', [], () => only(watchdog.blocks));
  metrics.counter('penstock_event_loop_blocked_seconds_total', 'Total time of event-loop delays above 100 ms.', [], () =>
    only(watchdog.blockedMs / 1000),
  );
  metrics.gauge('penstock_memory_bytes', 'Memory of the server, and the limits near which large bodies are rejected.', ['kind'], () =>
    Object.entries<number>({ ...memoryUse() }).map(([name, value]) => ({ labels: { kind: kinds[name as keyof typeof kinds] }, value })),
  );
  metrics.gauge('penstock_memory_pressure', '0 if there is room, 1 if large bodies are rejected, 2 if large requests are failed.', [], () =>
    only(['normal', 'high', 'critical'].indexOf(overload.pressure)),
  );
  metrics.counter('penstock_overload_failed_total', 'Requests failed because memory was short.', [], () => only(overload.failed));
  const start = (): void => {
    watchdog.start();
    overload.start();
    idle.start();
  };
  return { start, watchdog, overload };
}

const trimming = { name: 'returning memory', hint: 'It is tried again' };

const kinds = { heapUsedBytes: 'heap_used', heapLimitBytes: 'heap_limit', rssBytes: 'rss', rssLimitBytes: 'rss_limit' } as const;

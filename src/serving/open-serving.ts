/** Opens serving: its executors come from deployments, and its lines go to the request log. */
import type { Config } from '../config.ts';
import { type Ledger, type PriceTable, remainingCores } from '../costs/index.ts';
import type { Deployments } from '../deployment/index.ts';
import { messageOf } from '../errors.ts';
import type { Foundation } from '../foundation/index.ts';
import { type Logs, logFailure } from '../logs/index.ts';
import type { Metrics } from '../metrics/index.ts';
import { functionSizes, type ServiceTables } from '../profiling/index.ts';
import type { LocalProvider } from '../providers/index.ts';
import type { Random } from '../random.ts';
import type { Events, WorkerExits } from '../records/index.ts';
import { Serving, type ServingOptions } from './serving.ts';

/** Modules that serving stands on. */
export interface OpenServingDeps extends Pick<Foundation, 'clock' | 'logs' | 'logGroups' | 'traces'> {
  readonly random: Random;
  readonly metrics: Metrics;
  readonly ledger: Ledger;
  readonly prices: PriceTable;
  readonly cores: number;
  readonly tables: ServiceTables;
  readonly provider: Pick<LocalProvider, 'restart'>;
  readonly workerEnds: WorkerExits;
  readonly events: Events;
  /** Opened after serving. */
  readonly deployments: () => Pick<Deployments, 'startFunction' | 'stopFunction'>;
}

/** Opens an empty `Serving`. Deployments add the endpoints. */
export function openServing(config: Config, deps: OpenServingDeps): Serving {
  const { clock, random, metrics, ledger, logs, tables, provider, workerEnds, events, prices, cores, deployments } = deps;
  const log = logs.platform;
  const serving = new Serving({
    clock,
    random,
    metrics,
    ledger,
    log,
    lines: linesOf(deps),
    queueRowsMax: config.queueRowsMax,
    replyBytesMax: config.bodyLimitBytes,
    serviceTable: (model, executor) => tables.tableOf(model, executor),
    planTable: (plan, executor) => tables.tableOfPlan(plan, executor),
    restart: (workerId, reason) => provider.restart(workerId, reason),
    onWorkerLost: (workerId, requests) => workerEnds.recordLost(workerId, requests),
    onOverflowShut: overflowReporter(log, events),
    functions: {
      prices: prices.functions,
      memoryMiBSafe: ({ artifact }) => memoryMiBSafe(artifact.bytes, functionSizes(prices.functions)),
      remainingCores: (instanceTypes) => remainingCores(prices, instanceTypes, cores),
      start: (request) => deployments().startFunction(request),
      stop: (id) => deployments().stopFunction(id),
    },
  });
  tables.onChange(({ group, version: number }) => serving.profileMeasured(group, number));
  return serving;
}

/** Writes request lines. */
function linesOf({ logs, logGroups, traces }: Pick<Foundation, 'logs' | 'logGroups' | 'traces'>): ServingOptions['lines'] {
  return {
    weightOf: (endpoint, end) => logs.requests.weightOf(endpoint, end),
    isTraced: (requestId) => traces?.has(requestId) === true,
    write(line, weight) {
      if (weight > 0) logs.requests.add(line, weight);
      logFailure(logGroups, line);
      traces?.end(line);
    },
  };
}

/** Reports when overflow to functions is suspended or resumed. */
function overflowReporter(log: Logs['platform'], events: Events): NonNullable<ServingOptions['onOverflowShut']> {
  return ({ endpoint, variant }, reason) => {
    log.warn({ endpoint, variant, reason }, reason === null ? 'overflow to functions resumed' : 'overflow to functions suspended');
    const kind = reason === null ? 'overflow.resumed' : 'overflow.suspended';
    const event = { kind, subject: endpoint, detail: { variant, reason } } as const;
    events.recordAndPublish(event).catch((error: unknown) => log.error({ event, error: messageOf(error) }, 'failed to record an event'));
  };
}

/** Memory of a function until a size is chosen: 2048 MiB, which include a full processor, or more if the model file needs it. */
function memoryMiBSafe(modelBytes: number, sizes: readonly number[]): number {
  const neededMiB = Math.max(2048, (3 * modelBytes) / 2 ** 20);
  return sizes.find((memoryMiB) => memoryMiB >= neededMiB) ?? (sizes.at(-1) as number);
}

/** What a user wants the functions of a serverless variant to be. Pure. */
import { PlatformError } from '../errors.ts';
import { formatMs, type Objective } from '../objective.ts';
import { functionSizes } from '../profiling/index.ts';

export interface FunctionsConfig {
  /** What one environment may use, which also decides its share of a CPU and its price; `auto` leaves it to Penstock. */
  readonly memoryMiB: number | 'auto';
  /** So many environments at most; each runs one batch at a time. */
  readonly maxConcurrency: number;
  /** So many environments are always kept warm; 0 lets it go down to none. */
  readonly provisioned: number;
  /** An idle environment beyond those provisioned is ended after so long. */
  readonly keepAliveMs: number;
  readonly batching: BatchPolicy;
  /** Beside instances: once the functions have cost so much within the last hour, requests wait for instances again. Null: no limit. */
  readonly usdPerHourMax?: number | null;
}

/**
 * How long a batch waits for company. `slack`: until its most urgent request would come too late; `batch`, `batch-paper`:
 * as chosen from the arrivals; `none`: not at all; `fixed`: until it has so many rows or its first has waited so long.
 */
export type BatchPolicy =
  | { readonly kind: 'slack' | 'batch' | 'batch-paper' | 'none' }
  | { readonly kind: 'fixed'; readonly batchSizeMax: number; readonly waitMsMax: number };

export const functionsDefault: FunctionsConfig = {
  memoryMiB: 'auto',
  maxConcurrency: 10,
  provisioned: 0,
  keepAliveMs: 60_000,
  batching: { kind: 'slack' },
};

/** What the functions' endpoint promises. */
interface Promised {
  readonly objective: Objective | null;
  readonly timeoutMs: number;
}

/**
 * What functions can promise at all: the objective, but never more time than the timeout, at which a request is given up and
 * its run ended.
 */
export function promiseWithin(objective: Objective | null, timeoutMs: number): Objective | null {
  return objective === null || objective.latencyMs <= timeoutMs ? objective : { ...objective, latencyMs: timeoutMs };
}

const batchKinds: readonly string[] = ['slack', 'batch', 'batch-paper', 'fixed', 'none'];
const maxConcurrencyMax = 1000;
const keepAliveMsMax = 3_600_000;
const batchSizeMaxMax = 4096;

/** `listedMiB` are the sizes of the price table. Throws `invalid_request`; `where` begins its message. */
export function checkFunctions(where: string, functions: FunctionsConfig, promised: Promised, listedMiB: readonly number[]): void {
  const { memoryMiB, maxConcurrency, provisioned, keepAliveMs } = functions;
  const sizes = functionSizes({ memoryMiB: listedMiB });
  if (memoryMiB !== 'auto' && !sizes.includes(memoryMiB)) {
    throw invalid(`${where}: functions have no memory size of ${memoryMiB} MiB: choose auto or one of ${sizes.join(', ')}`);
  }
  if (maxConcurrency === 0) {
    throw invalid(`${where}: a max concurrency of 0 could serve nobody; to stop an endpoint and keep its settings, unload it`);
  }
  if (!isWholeBetween(1, maxConcurrency, maxConcurrencyMax)) {
    throw invalid(`${where}: the max concurrency is a whole number from 1 to ${maxConcurrencyMax}, got ${maxConcurrency}`);
  }
  if (!isWholeBetween(0, provisioned, maxConcurrency)) {
    throw invalid(
      `${where}: provisioned is a whole number of environments from 0 to the max concurrency, which is ${maxConcurrency}, got ${provisioned}`,
    );
  }
  if (!(keepAliveMs >= 0 && keepAliveMs <= keepAliveMsMax)) {
    throw invalid(`${where}: idle environments are kept for at most an hour, got ${formatMs(keepAliveMs)}`);
  }
  const { usdPerHourMax = null } = functions;
  if (usdPerHourMax !== null && !(usdPerHourMax > 0 && Number.isFinite(usdPerHourMax))) {
    throw invalid(`${where}: the overflow budget is a number of US dollars per hour above 0, or none, got ${usdPerHourMax}`);
  }
  checkBatching(where, functions.batching, promised);
}

function checkBatching(where: string, batching: BatchPolicy, { objective, timeoutMs }: Promised): void {
  if (!batchKinds.includes(batching.kind)) throw invalid(`${where}: batching is one of ${batchKinds.join(', ')}, got '${batching.kind}'`);
  if ((batching.kind === 'batch' || batching.kind === 'batch-paper') && objective === null) {
    throw invalid(
      `${where}: batching '${batching.kind}' chooses by the objective, and the endpoint has none: ` +
        "give it one, such as p95<=50ms, or choose batching 'slack', 'fixed' or 'none'",
    );
  }
  if (batching.kind !== 'fixed') return;
  const { batchSizeMax, waitMsMax } = batching;
  if (!isWholeBetween(1, batchSizeMax, batchSizeMaxMax)) {
    throw invalid(`${where}: fixed batching needs the rows of a full batch, 1 to ${batchSizeMaxMax}, got ${shown(batchSizeMax)}`);
  }
  if (!(waitMsMax >= 0 && waitMsMax < timeoutMs)) {
    const bound = `0 to less than the timeout of ${formatMs(timeoutMs)}`;
    throw invalid(
      `${where}: fixed batching needs the longest wait for company, ${bound}, got ${isNothing(waitMsMax) ? 'nothing' : formatMs(waitMsMax)}`,
    );
  }
}

function shown(given: number | undefined): string {
  return isNothing(given) ? 'nothing' : String(given);
}

function isNothing(given: number | undefined): boolean {
  return given === undefined || Number.isNaN(given);
}

function isWholeBetween(least: number, given: number, most: number): boolean {
  return Number.isInteger(given) && given >= least && given <= most;
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

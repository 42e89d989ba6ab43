/** The config of a variant's functions and its validation. Pure. */
import { PlatformError } from '../../errors.ts';
import { batchSizeMaxMax, checkFields, defaultsOf, type FieldValues, functionsFields } from '../../fields/index.ts';
import { formatMs, type Objective } from '../../objective.ts';
import { functionSizes } from '../../profiling/index.ts';

/** The table describes the batching flat, as the API shows it. */
export interface FunctionsConfig extends Omit<FieldValues<typeof functionsFields>, 'batching' | 'batchSizeMax' | 'waitMsMax'> {
  readonly batching: BatchPolicy;
}

/**
 * How long a batch waits for more requests. `slack`: as long as its most urgent request can wait; `batch`, `batch-paper`:
 * chosen from the arrivals; `none`: not at all; `fixed`: until it is full or its first request has waited `waitMsMax`.
 */
export type BatchPolicy =
  | { readonly kind: 'slack' | 'batch' | 'batch-paper' | 'none' }
  | { readonly kind: 'fixed'; readonly batchSizeMax: number; readonly waitMsMax: number };

/** The functions of a variant of which only `functions` was requested: every setting has its default. */
export const functionsDefault: FunctionsConfig = {
  ...defaultsOf(functionsFields),
  batching: { kind: functionsFields.batching.default },
};

interface EndpointLimits {
  readonly objective: Objective | null;
  readonly timeoutMs: number;
}

/**
 * The effective objective of functions: its latency is capped by the timeout, because a request is cancelled then and its
 * run ends.
 */
export function objectiveWithin(objective: Objective | null, timeoutMs: number): Objective | null {
  return objective === null || objective.latencyMs <= timeoutMs ? objective : { ...objective, latencyMs: timeoutMs };
}

const batchKinds: readonly string[] = functionsFields.batching.kind.choices;

/** `listedMiB` are the sizes of the price table. Throws `invalid_request` with a message that starts with `where`. */
export function checkFunctions(where: string, functions: FunctionsConfig, limits: EndpointLimits, listedMiB: readonly number[]): void {
  const { memoryMiB, maxConcurrency, provisioned, batching, ...others } = functions;
  const sizes = functionSizes({ memoryMiB: listedMiB });
  if (memoryMiB !== 'auto' && !sizes.includes(memoryMiB)) {
    throw invalid(`${where}: functions have no memory size of ${memoryMiB} MiB: choose auto or one of ${sizes.join(', ')}`);
  }
  if (maxConcurrency === 0) {
    throw invalid(`${where}: expected a max concurrency of at least 1, got 0; to stop an endpoint and retain its settings, unload it`);
  }
  checkFields(`${where}: `, functionsFields, { ...others, maxConcurrency });
  if (!isWholeBetween(0, provisioned, maxConcurrency)) {
    throw invalid(`${where}: provisioned: expected a whole number from 0 to the max concurrency of ${maxConcurrency}, got ${provisioned}`);
  }
  checkBatching(where, batching, limits);
}

function checkBatching(where: string, batching: BatchPolicy, { objective, timeoutMs }: EndpointLimits): void {
  if (!batchKinds.includes(batching.kind))
    throw invalid(`${where}: batching: expected one of ${batchKinds.join(', ')}, got '${batching.kind}'`);
  if ((batching.kind === 'batch' || batching.kind === 'batch-paper') && objective === null) {
    throw invalid(
      `${where}: batching '${batching.kind}' requires an objective, but the endpoint has none: ` +
        "set one, such as p95<=50ms, or choose batching 'slack', 'fixed' or 'none'",
    );
  }
  if (batching.kind !== 'fixed') return;
  const { batchSizeMax, waitMsMax } = batching;
  if (!isWholeBetween(1, batchSizeMax, batchSizeMaxMax)) {
    throw invalid(`${where}: fixed batching needs the rows of a full batch, 1 to ${batchSizeMaxMax}, got ${formatNumber(batchSizeMax)}`);
  }
  if (!(waitMsMax >= 0 && waitMsMax < timeoutMs)) {
    const bound = `0 to less than the timeout of ${formatMs(timeoutMs)}`;
    throw invalid(
      `${where}: fixed batching needs the longest wait of a batch, ${bound}, got ${isNothing(waitMsMax) ? 'nothing' : formatMs(waitMsMax)}`,
    );
  }
}

function formatNumber(provided: number | undefined): string {
  return isNothing(provided) ? 'nothing' : String(provided);
}

function isNothing(provided: number | undefined): boolean {
  return provided === undefined || Number.isNaN(provided);
}

function isWholeBetween(least: number, provided: number, most: number): boolean {
  return Number.isInteger(provided) && provided >= least && provided <= most;
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

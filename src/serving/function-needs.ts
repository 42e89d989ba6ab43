/** What the functions of a variant need of others: where environments come from, what they cost, who is told of them. */
import type { FunctionPrices, Invocation } from '../costs/index.ts';
import type { ServiceTable } from '../profiling/index.ts';
import type { Environment } from './environment.ts';
import type { PendingRequest } from './request.ts';

export interface FunctionsNeeds {
  /** What is known of the service times of an executor, by its name: `function:2048`. */
  readonly serviceTable: (executor: string) => ServiceTable;
  readonly prices: FunctionPrices;
  /** Of an environment, until the first decision, where the size is left to Penstock. */
  readonly memoryMiBSafe: () => number;
  /** Asks for a worker of so much memory; answers with its id at once. */
  readonly start: (memoryMiB: number) => string;
  readonly stop: (workerId: string) => void;
  /** So many cores are left beside instances of these types: as many start at once at most, and one always may. No limit unless given. */
  readonly coresLeft?: ((instanceTypes: readonly string[]) => number) | undefined;
  /** A run is charged. */
  readonly onInvoked: (invocation: Invocation) => void;
  /** This environment is kept warm from now on, in another way, or no more; it is charged for that by time. */
  readonly onKept: (environment: Environment) => void;
  /** This one is ended in the middle of a run, and why. */
  readonly onHung?: (workerId: string, reason: string) => void;
  /** Nobody is here or on the way. */
  readonly onDeserted: () => void;
  /** A run of a function has ended, well or not; or one could not be started. */
  readonly onCall?: (isOk: boolean) => void;
  /** Before it is looked at how many environments are needed: others may take of those who wait. */
  readonly onSettle?: () => void;
  /** Nobody can be had for these, who are let go of; left out, they fail. */
  readonly onStranded?: (requests: readonly PendingRequest[]) => void;
  /** No batch holds more rows than this, whatever the setting. */
  readonly batchSizeMax?: number;
  /** What a start takes before one was seen; left out, as it was measured with the service times, or 500 ms. */
  readonly coldStartMs?: number;
  /** Holds the margin at so much; left out, it follows what is measured. */
  readonly marginMsFixed?: number;
}

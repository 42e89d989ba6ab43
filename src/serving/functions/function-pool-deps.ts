/** Dependencies of `FunctionPool`: starts and stops environments, has their prices, and receives notifications. */
import type { BilledInvocation, FunctionPrices } from '../../costs/index.ts';
import type { ServiceTable } from '../../profiling/index.ts';
import type { PendingRequest } from '../request.ts';
import type { Environment } from './environment.ts';

/** Implemented by serving in a server, and by the simulator in virtual time. */
export interface FunctionPoolDeps {
  /** Returns the known service times of an executor by name, for example `function:2048`. */
  readonly serviceTable: (executor: string) => ServiceTable;
  readonly prices: FunctionPrices;
  /** Memory size until the first decision, if the size is chosen automatically. */
  readonly memoryMiBSafe: () => number;
  /** Starts a worker of this memory size and returns its id at once. */
  readonly start: (memoryMiB: number) => string;
  readonly stop: (workerId: string) => void;
  /** Returns the number of cores not used by instances of these types. It limits concurrent starts (at least one). Default: no limit. */
  readonly remainingCores?: ((instanceTypes: readonly string[]) => number) | undefined;
  /** Called when a run was billed. */
  readonly onInvoked: (invocation: BilledInvocation) => void;
  /** Called when billing of this warm environment by time begins, changes or ends; see `Environment.idle`. */
  readonly onRetained: (environment: Environment) => void;
  /** Called when an environment is ended because its run exceeded the timeout. */
  readonly onHung?: (workerId: string, reason: string) => void;
  /** Called when the last environment has ended. */
  readonly onNoCapacity: () => void;
  /** Called when a run ended or a start failed. */
  readonly onCall?: (isOk: boolean) => void;
  /** Called before the number of needed environments is computed, so idle instances can take waiting requests first. */
  readonly onSettle?: () => void;
  /** Called with requests for which no function can be started, after they were removed from the queue. Default: they fail. */
  readonly onStranded?: (requests: readonly PendingRequest[]) => void;
  /** Upper limit of rows per batch, regardless of the setting. */
  readonly batchSizeMax?: number;
  /** Start time assumed before the first start. Default: the profiled time, or 500 ms. */
  readonly coldStartMs?: number;
  /** Fixes the margin. Default: it follows measurements. */
  readonly marginMsFixed?: number;
}

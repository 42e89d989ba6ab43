/** What a variant pool needs of its server, or of the simulator. */
import type { Clock } from '../clock.ts';
import type { CloseReason } from '../queueing/index.ts';
import type { Random } from '../random.ts';
import type { LostRequests } from '../records/index.ts';
import type { FunctionPoolDeps } from './functions/function-pool-deps.ts';
import type { InstancePoolDeps } from './instances/instance-pool.ts';
import type { HybridPoolOptions } from './overflow/hybrid-pool.ts';
import type { ShadowAnswer } from './shadows/idle-shadows.ts';

export interface VariantPoolDeps extends InstancePoolDeps {
  readonly clock: Clock;
  /** Draws which requests of a ladder are compared in idle time. Absent: none. */
  readonly random?: Random;
  /** Called with what another plan answers to a request, after its response was sent. */
  readonly onShadowAnswered?: (answer: ShadowAnswer) => void;
  /** Called for each dispatched batch. */
  readonly onDispatch: (reason: CloseReason, rows: number) => void;
  /** Called for each failed run, with its cost in US dollars. */
  readonly onRunFailed?: (usd: number) => void;
  /** Called when a worker crashed while running requests, with the number of rerun and failed requests. */
  readonly onWorkerLost?: (executorId: string, requests: LostRequests) => void;
  /** Called when all requests of a batch were answered. */
  readonly onBatchAnswered?: () => void;
  /** Dependencies of functions; required if the settings have functions. */
  readonly functions?: Omit<FunctionPoolDeps, 'serviceTable'>;
  /** Called with the reason when functions alongside instances stop taking requests, and with null when they resume. */
  readonly onShut?: (reason: string | null) => void;
  /** Overrides for experiments and tests. Default: the product's behaviour. */
  readonly overflow?: HybridPoolOptions | undefined;
}

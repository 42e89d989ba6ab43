/** The dependencies of a run's steps, and what each step returns. */
import type { Access } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import type { Deployments } from '../../deployment/index.ts';
import type { Evaluations } from '../../evaluation/index.ts';
import type { Log } from '../../logs/index.ts';
import type { Decisions, Events } from '../../records/index.ts';
import type { Registry } from '../../registry/index.ts';
import type { Transaction } from '../../storage/index.ts';
import type { TrainingBuckets } from '../attempts/buckets.ts';
import type { Training } from '../training-job.ts';
import type { Pipeline, PipelineRun, PipelineRunFacts, PipelineStepState } from './pipeline.ts';
import type { PipelineRows } from './pipeline-rows.ts';
import type { PipelineSpec } from './pipeline-spec.ts';

export interface RunStepDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly rows: PipelineRows;
  readonly training: Pick<Training, 'find' | 'create' | 'nextName' | 'changed' | 'stop'>;
  readonly registry: Pick<Registry, 'version' | 'latestApproved' | 'setApproval' | 'cancelOpening'>;
  readonly evaluations: Pick<Evaluations, 'create' | 'get' | 'find' | 'stop' | 'answersOf'> & {
    readonly sets: Pick<Evaluations['sets'], 'put'>;
  };
  readonly deployments: Pick<Deployments, 'list' | 'get' | 'create' | 'update' | 'onChange' | 'onServed'>;
  readonly decisions: Pick<Decisions, 'recordIn' | 'fillEffect'>;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly buckets: TrainingBuckets;
  readonly access: Pick<Access, 'callerFor'>;
  /** Whether the server listens on loopback only, where calls need no key. */
  readonly isLoopback: boolean;
  /** Null if there is no alarm of this name. */
  readonly alarmState: (name: string) => string | null;
  /** Adds the deliveries of a run that has ended. */
  readonly notify: (tx: Transaction, urls: readonly string[], run: PipelineRun) => Promise<void>;
  readonly announceDeliveries: () => void;
}

/** One run, as its steps see it. */
export interface StepContext {
  readonly deps: RunStepDeps;
  readonly spec: PipelineSpec;
  readonly revision: Pick<Pipeline, 'git' | 'sourceSha256'>;
  /** The key whose rights the run has. */
  readonly who: string;
  /** The stored run. */
  readonly run: PipelineRun;
  readonly signal: AbortSignal;
  /**
   * Stores facts before the step ends, so that the next server continues with them. `alongside` runs in the same transaction, and may return
   * more facts.
   */
  readonly save: (facts: Partial<PipelineRunFacts>, alongside?: (tx: Transaction) => Promise<Partial<PipelineRunFacts>>) => Promise<void>;
  /** Stores facts in a transaction of another module. Call the returned function after its commit. */
  readonly saveIn: (tx: Transaction, facts: Partial<PipelineRunFacts>) => Promise<() => void>;
}

/** How a step ended. */
export interface StepOutcome {
  readonly state: Extract<PipelineStepState, 'Completed' | 'Failed' | 'Skipped'>;
  readonly note: string;
  /** Why the later steps are skipped. */
  readonly stops?: string;
  /** What the step has found out. */
  readonly facts?: Partial<PipelineRunFacts>;
}

/** Resolves after this time, or at once when the signal aborts. */
export function pauseFor(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Application Auto Scaling: its operations, alarms and background loop. */

import type { Alarm } from '../../alerts/index.ts';
import type { Clock } from '../../clock.ts';
import type { Deployments } from '../../deployment/index.ts';
import type { Log } from '../../logs/index.ts';
import type { MetricStore } from '../../metrics/index.ts';
import type { Decisions } from '../../records/index.ts';
import type { Database } from '../../storage/index.ts';
import { Documents } from '../sagemaker/documents.ts';
import { EndpointRecords } from '../sagemaker/endpoints/endpoint-records.ts';
import type { AwsLocation, AwsService } from '../service.ts';
import { ScalingLoop, type ScalingLoopOptions } from './scaling-loop.ts';
import { scalingOperations } from './scaling-operations.ts';
import { StepScalingPolicies } from './step-scaling.ts';
import { ScalableTargets } from './targets.ts';
import { trackingAlarms } from './tracking-alarms.ts';

export interface ApplicationAutoScalingOptions extends Pick<ScalingLoopOptions, 'busyOf' | 'measure'> {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly deployments: Deployments;
  readonly decisions: Pick<Decisions, 'list' | 'latest'>;
}

export class ApplicationAutoScaling implements AwsService {
  readonly name = 'application-autoscaling';
  readonly operations: AwsService['operations'];
  readonly #loop: ScalingLoop;
  readonly #steps: StepScalingPolicies;
  readonly #targets: ScalableTargets;
  readonly #clock: Clock;

  constructor({ db, clock, log, deployments, decisions, busyOf, measure }: ApplicationAutoScalingOptions) {
    const documents = new Documents({ db, clock });
    const records = new EndpointRecords(documents, clock);
    const targets = new ScalableTargets({ clock, documents, deployments, retainAgain: () => records.storeAgain() });
    this.#targets = targets;
    this.#clock = clock;
    this.#steps = new StepScalingPolicies({ clock, targets });
    this.#loop = new ScalingLoop({ clock, log, targets, busyOf, measure });
    this.operations = scalingOperations({ clock, targets, decisions, onScheduled: () => this.#loop.poll() });
  }

  /**
   * Handles an alarm whose action is a step scaling policy. `above` is the metric minus the threshold. Resolves to false if the policy
   * does not exist. During its cooldown nothing changes.
   */
  alarmed(arn: string, above: number): Promise<boolean> {
    return this.#steps.alarmed(arn, above);
  }

  /** Whether a step scaling policy with this ARN exists. */
  hasStepPolicy(arn: string): Promise<boolean> {
    return this.#steps.has(arn);
  }

  /** The current alarms of target tracking policies. */
  async trackingAlarms(awsLocation: AwsLocation, store: Pick<MetricStore, 'series'>): Promise<Alarm[]> {
    const documents = (await this.#targets.all()).map(({ document }) => document);
    return trackingAlarms(awsLocation, documents, { store, wallMs: this.#clock.wallMs() });
  }

  /** Starts the background loop. */
  open(): void {
    this.#loop.open();
  }

  async close(): Promise<void> {
    await this.#loop.close();
  }
}

/** Application Auto Scaling: the service, and what it does by itself. */

import type { Clock } from '../../clock.ts';
import type { Deployments } from '../../deployment/index.ts';
import type { Alarm, Decisions, Log, MetricStore } from '../../monitoring/index.ts';
import type { Database } from '../../storage/index.ts';
import { Documents } from '../sagemaker/documents.ts';
import { EndpointRecords } from '../sagemaker/endpoint-records.ts';
import type { AwsPlace, AwsService } from '../service.ts';
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
    const targets = new ScalableTargets({ clock, documents, deployments, keepAgain: () => records.keepAgain() });
    this.#targets = targets;
    this.#clock = clock;
    this.#steps = new StepScalingPolicies({ clock, targets });
    this.#loop = new ScalingLoop({ clock, log, targets, busyOf, measure });
    this.operations = scalingOperations({ clock, targets, decisions, onScheduled: () => this.#loop.look() });
  }

  /**
   * What an alarm does that names a step scaling policy among its actions: `above` is by how much its metric is above the threshold,
   * negative below it. False where there is no such policy; nothing is changed while it cools down.
   */
  alarmed(policyArnGiven: string, above: number): Promise<boolean> {
    return this.#steps.alarmed(policyArnGiven, above);
  }

  /** Whether there is a step scaling policy of that ARN. */
  hasStepPolicy(policyArnGiven: string): Promise<boolean> {
    return this.#steps.has(policyArnGiven);
  }

  /** Those that stand for targets that are tracked, as they are now. */
  async trackingAlarms(place: AwsPlace, store: Pick<MetricStore, 'series'>): Promise<Alarm[]> {
    const documents = (await this.#targets.all()).map(({ document }) => document);
    return trackingAlarms(place, documents, { store, wallMs: this.#clock.wallMs() });
  }

  /** Takes scheduled actions from now on. */
  open(): void {
    this.#loop.open();
  }

  async close(): Promise<void> {
    await this.#loop.close();
  }
}

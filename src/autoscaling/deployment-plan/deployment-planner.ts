/** Plans the instances and functions that meet an objective, and their cost, without deploying them. */

import { instanceType, type PriceTable } from '../../costs/index.ts';
import { PlatformError } from '../../errors.ts';
import { instanceTypeDefault } from '../../fields/index.ts';
import { checkObjective, type Objective } from '../../objective.ts';
import type { FunctionProfile, Profile } from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { Chooser, type ChooserOptions, type Computed } from '../batching/chooser.ts';
import type { AssumedTraffic } from './generated-load.ts';
import type { DeploymentPlan, DeploymentPlanRequest } from './plan-types.ts';

/** A question to the planner. `keepOne` forbids scaling to zero; `wantsCurve` costs further simulations. */
export interface DeploymentRequest {
  readonly objective: Objective;
  readonly traffic: AssumedTraffic;
  /** null: no instances are allowed. */
  readonly instanceType: string | null;
  readonly hasFunctions: boolean;
  readonly keepOne: boolean;
  readonly usdPerHourMax: number | null;
  readonly wantsCurve: boolean;
}

/** An objective and a rate, to be met by instances of one type. */
export interface ProfileRequest {
  readonly objective: Objective;
  readonly ratePerSecond: number;
  readonly instanceType: string;
}

/** A plan, with notes on what was left out of it. */
export interface PlannedDeployment extends Computed<DeploymentPlan> {
  readonly notes: readonly string[];
}

/** Collaborators of the planner. The simulations run in the chooser's thread. */
export interface DeploymentPlannerOptions {
  readonly chooser: Pick<Chooser<DeploymentPlanRequest, DeploymentPlan>, 'choose'>;
  readonly prices: PriceTable;
  /** CPU cores of this machine. */
  readonly cores: number;
  readonly profileOf: (version: ModelVersion, executor: string) => Promise<Profile | null>;
  readonly functionProfilesOf: (version: ModelVersion) => Promise<readonly FunctionProfile[]>;
  /** Measures and returns a profile. */
  readonly measure: (version: ModelVersion, executor: string) => Promise<Profile>;
}

const rateMax = 1_000_000;
const peakFactorMax = 100;

/** Creates a chooser whose thread plans deployments. */
export function deploymentChooser(options: Omit<ChooserOptions, 'threadUrl'>): Chooser<DeploymentPlanRequest, DeploymentPlan> {
  const file = import.meta.url.endsWith('.ts') ? './plan-thread.ts' : './plan-thread.js';
  return new Chooser({ ...options, threadUrl: new URL(file, import.meta.url) });
}

/** Measures what is not measured yet, then simulates candidates. */
export class DeploymentPlanner {
  readonly #options: DeploymentPlannerOptions;

  constructor(options: DeploymentPlannerOptions) {
    this.#options = options;
  }

  /**
   * Measures missing profiles first. Throws `invalid_request`, errors of the measurement, and `unavailable` if the thread dies.
   */
  async plan(version: ModelVersion, request: DeploymentRequest): Promise<PlannedDeployment> {
    const { chooser, prices, cores } = this.#options;
    const { objective, traffic, keepOne, usdPerHourMax, wantsCurve } = request;
    checkObjective(objective);
    checkTraffic(traffic);
    if (usdPerHourMax !== null && !(usdPerHourMax > 0)) {
      throw new PlatformError('invalid_request', `invalid cost limit per hour: expected more than $0 or no limit, got ${usdPerHourMax}`);
    }
    const profile = await this.#profileOf(version, request.instanceType ?? instanceTypeDefault);
    const instance =
      request.instanceType === null
        ? null
        : { name: request.instanceType, usdPerHour: instanceType(prices, request.instanceType).usdPerHour, profile };
    const functions = request.hasFunctions ? await this.#options.functionProfilesOf(version) : [];
    if (instance === null && !request.hasFunctions) {
      throw new PlatformError('invalid_request', 'neither instances nor functions are allowed: allow at least one');
    }
    const order = { objective, traffic, instance, functions, functionPrices: prices.functions, keepOne, usdPerHourMax, wantsCurve };
    const plan = await chooser.choose(order);
    return { ...plan, notes: notesOn(version, plan, functions, cores) };
  }

  /** Plans instances alone, of what this profile is of. Throws as `plan`. */
  async planProfile(profile: Profile, { objective, ratePerSecond, instanceType: name }: ProfileRequest): Promise<Computed<DeploymentPlan>> {
    const { chooser, prices } = this.#options;
    checkObjective(objective);
    const traffic = { ratePerSecond, peakFactor: 1 };
    checkTraffic(traffic);
    const instance = { name, usdPerHour: instanceType(prices, name).usdPerHour, profile };
    const none = { functions: [], functionPrices: prices.functions, keepOne: false, usdPerHourMax: null, wantsCurve: false };
    return chooser.choose({ objective, traffic, instance, ...none });
  }

  async #profileOf(version: ModelVersion, name: string): Promise<Profile> {
    const executor = `instance:${name}`;
    instanceType(this.#options.prices, name);
    return (await this.#options.profileOf(version, executor)) ?? this.#options.measure(version, executor);
  }
}

function checkTraffic({ ratePerSecond, peakFactor }: AssumedTraffic): void {
  if (!(ratePerSecond > 0 && ratePerSecond <= rateMax)) {
    throw new PlatformError(
      'invalid_request',
      `invalid average rate: expected above 0 and at most ${rateMax} per second, got ${ratePerSecond}`,
    );
  }
  if (!(peakFactor >= 1 && peakFactor <= peakFactorMax)) {
    throw new PlatformError(
      'invalid_request',
      `invalid peak factor: expected a busiest minute of 1 to ${peakFactorMax} times the average, got ${peakFactor}`,
    );
  }
}

function notesOn(version: ModelVersion, { chosen }: DeploymentPlan, functions: readonly FunctionProfile[], cores: number): string[] {
  const notes: string[] = [];
  if (version.batchable === false)
    notes.push(`The model does not support batching (${version.batchableReason}), so every request runs alone.`);
  const size = functions.find(({ memoryMiB }) => memoryMiB === chosen?.functions?.memoryMiB);
  if (size?.basis === 'unlimited') notes.push('Functions of every size run equally fast here: this machine cannot limit their CPU share.');
  if (size?.basis === 'derived')
    notes.push('The service times of functions are derived from an instance; they are measured once functions run.');
  const executors = (chosen?.instances ?? 0) + (chosen?.functions?.concurrencyMax ?? 0);
  if (executors > cores)
    notes.push(`${executors} concurrent executors exceed the ${cores} cores of this machine: here they would be slower.`);
  return notes;
}

/** Tells which instances and functions would keep a promise, and what they would cost, without deploying anything. */
import { instanceType, type PriceTable } from '../../costs/index.ts';
import { PlatformError } from '../../errors.ts';
import { checkObjective, type Objective } from '../../objective.ts';
import type { FunctionProfile, Profile } from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { Chooser, type ChooserOptions, type Computed } from '../chooser.ts';
import type { DeploymentOrder, DeploymentPlan } from './plan-order.ts';
import type { AssumedTraffic } from './played-load.ts';

export interface DeploymentWish {
  readonly objective: Objective;
  readonly traffic: AssumedTraffic;
  /** null: no instances. */
  readonly instanceType: string | null;
  readonly hasFunctions: boolean;
  readonly keepOne: boolean;
  readonly usdPerHourMax: number | null;
  readonly wantsCurve: boolean;
}

export interface PlannedDeployment extends Computed<DeploymentPlan> {
  readonly notes: readonly string[];
}

export interface DeploymentPlannerOptions {
  readonly chooser: Pick<Chooser<DeploymentOrder, DeploymentPlan>, 'choose'>;
  readonly prices: PriceTable;
  /** Of this machine. */
  readonly cores: number;
  readonly profileOf: (version: ModelVersion, executor: string) => Promise<Profile | null>;
  readonly functionProfilesOf: (version: ModelVersion) => Promise<readonly FunctionProfile[]>;
  /** Has it measured; resolves when it is. */
  readonly measure: (version: ModelVersion, executor: string) => Promise<Profile>;
}

const rateMax = 1_000_000;
const peakFactorMax = 100;

/** A chooser whose thread plans deployments. */
export function deploymentChooser(options: Omit<ChooserOptions, 'threadUrl'>): Chooser<DeploymentOrder, DeploymentPlan> {
  const file = import.meta.url.endsWith('.ts') ? './plan-thread.ts' : './plan-thread.js';
  return new Chooser({ ...options, threadUrl: new URL(file, import.meta.url) });
}

export class DeploymentPlanner {
  readonly #options: DeploymentPlannerOptions;

  constructor(options: DeploymentPlannerOptions) {
    this.#options = options;
  }

  /** Throws `invalid_request`, what measuring throws, and `unavailable` where the thread is lost. */
  async plan(version: ModelVersion, wish: DeploymentWish): Promise<PlannedDeployment> {
    const { chooser, prices, cores } = this.#options;
    const { objective, traffic, keepOne, usdPerHourMax, wantsCurve } = wish;
    checkObjective(objective);
    checkTraffic(traffic);
    if (usdPerHourMax !== null && !(usdPerHourMax > 0)) {
      throw new PlatformError('invalid_request', `the most it may cost per hour is above $0, or nothing is said, got ${usdPerHourMax}`);
    }
    const profile = await this.#profileOf(version, wish.instanceType ?? 'local.1');
    const instance =
      wish.instanceType === null
        ? null
        : { name: wish.instanceType, usdPerHour: instanceType(prices, wish.instanceType).usdPerHour, profile };
    const functions = wish.hasFunctions ? await this.#options.functionProfilesOf(version) : [];
    if (instance === null && !wish.hasFunctions) {
      throw new PlatformError('invalid_request', 'neither instances nor functions may be used: allow one of them');
    }
    const order = { objective, traffic, instance, functions, functionPrices: prices.functions, keepOne, usdPerHourMax, wantsCurve };
    const plan = await chooser.choose(order);
    return { ...plan, notes: notesOn(version, plan, functions, cores) };
  }

  async #profileOf(version: ModelVersion, name: string): Promise<Profile> {
    const executor = `instance:${name}`;
    instanceType(this.#options.prices, name);
    return (await this.#options.profileOf(version, executor)) ?? this.#options.measure(version, executor);
  }
}

function checkTraffic({ ratePerSecond, peakFactor }: AssumedTraffic): void {
  if (!(ratePerSecond > 0 && ratePerSecond <= rateMax)) {
    throw new PlatformError('invalid_request', `the average rate is above 0 and at most ${rateMax} per second, got ${ratePerSecond}`);
  }
  if (!(peakFactor >= 1 && peakFactor <= peakFactorMax)) {
    throw new PlatformError('invalid_request', `the busiest minute is 1 to ${peakFactorMax} times the average, got ${peakFactor}`);
  }
}

function notesOn(version: ModelVersion, { chosen }: DeploymentPlan, functions: readonly FunctionProfile[], cores: number): string[] {
  const notes: string[] = [];
  if (version.batchable === false) notes.push(`The model may not be batched (${version.batchableReason}), so every request runs alone.`);
  const size = functions.find(({ memoryMiB }) => memoryMiB === chosen?.functions?.memoryMiB);
  if (size?.basis === 'unlimited')
    notes.push('Functions of every size run alike here: this machine cannot hold them to their share of a processor.');
  if (size?.basis === 'derived') notes.push('How long functions take is derived from an instance; it is measured once they run.');
  const executors = (chosen?.instances ?? 0) + (chosen?.functions?.concurrencyMax ?? 0);
  if (executors > cores)
    notes.push(`${executors} executors at once are more than the ${cores} cores of this machine: there they would take longer.`);
  return notes;
}

/**
 * Chooses the plans of a selection again when its candidates change: a followed group has a new approved version that was evaluated on the set, or
 * a candidate is no longer approved. Checked every minute; an endpoint is reviewed at most every ten.
 */
import { type Clock, Loop } from '../../clock.ts';
import { type Deployments, type EndpointView, isUnderWay, type SelectionConfig } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Decisions } from '../../records/index.ts';
import type { ModelVersion, Registry } from '../../registry/index.ts';
import type { StoredAnswers } from '../stored-answers.ts';
import { unansweredReason } from './ladder-planner.ts';
import type { SelectionInputs } from './selection-decision.ts';
import type { SelectionReview } from './selection-review.ts';

export interface SelectionTriggersOptions {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'list'>;
  readonly registry: Pick<Registry, 'resolve'>;
  readonly decisions: Pick<Decisions, 'list'>;
  readonly answers: Pick<StoredAnswers, 'answered'>;
  readonly review: SelectionReview['review'];
  readonly onFailure: (endpoint: string, error: unknown) => void;
}

const lookEveryMs = 60_000;
const reviewEveryMs = 600_000;

export class SelectionTriggers {
  readonly #options: SelectionTriggersOptions;
  readonly #loop: Loop;
  /** By endpoint. */
  readonly #reviewedAtMs = new Map<string, number>();

  constructor(options: SelectionTriggersOptions) {
    this.#options = options;
    const onFailure = (error: unknown): void => options.onFailure('all endpoints', error);
    this.#loop = new Loop({ clock: options.clock, everyMs: lookEveryMs, run: () => this.look(), onFailure });
  }

  open(): void {
    this.#loop.open();
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  async look(): Promise<void> {
    const { deployments, clock, review, onFailure } = this.#options;
    const nowMs = clock.nowMs();
    for (const [name, atMs] of this.#reviewedAtMs) if (nowMs - atMs >= reviewEveryMs) this.#reviewedAtMs.delete(name);
    for (const view of deployments.list()) {
      const selection = followedBy(view);
      const { name } = view.config;
      if (selection === null || this.#reviewedAtMs.has(name)) continue;
      try {
        if (!(await this.#hasChanged(name, selection, challengerOf(view)))) continue;
        this.#reviewedAtMs.set(name, nowMs);
        await review(name, 'version', 'penstock');
      } catch (error) {
        onFailure(name, error);
      }
    }
  }

  /** Compares with the candidates of the last decision. */
  async #hasChanged(endpoint: string, { request }: SelectionConfig, challenger: string | null): Promise<boolean> {
    const { decisions, answers } = this.#options;
    const [last] = await decisions.list({ endpoint, kind: 'selection', limit: 1 });
    if (last === undefined) return false;
    const { profiles, leftOut } = last.inputs as SelectionInputs;
    const versions = await this.#versionsOf(request.candidates);
    const considered = new Set(profiles.map(({ model }) => model));
    if ([...considered].some((model) => !versions.some(({ name }) => name === model))) return true;
    const answered = await answers.answered(request.set, versions);
    const isLeftOut = (model: string): boolean =>
      leftOut.some((each) => each.model === model && each.reason !== unansweredReason(model, request.set));
    return [...answered].some((model) => !considered.has(model) && !isLeftOut(model) && model !== challenger);
  }

  async #versionsOf(candidates: readonly string[]): Promise<readonly ModelVersion[]> {
    const versions: ModelVersion[] = [];
    for (const each of candidates) {
      try {
        const version = await this.#options.registry.resolve(each);
        if (version.approval === 'Approved') versions.push(version);
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error; // a group without an approved version, or one that was deleted
      }
    }
    return versions;
  }
}

/** Null for an endpoint without a selection, or while it is held or updated. */
function followedBy({ config, status, rollout }: EndpointView): SelectionConfig | null {
  const selection = config.variants.find(({ ladder }) => ladder?.selection !== undefined)?.ladder?.selection;
  return selection === undefined || selection.held !== undefined || status !== 'InService' || isUnderWay(rollout) ? null : selection;
}

/** A version that is tried: what becomes of it is decided there. */
function challengerOf({ config }: EndpointView): string | null {
  return config.variants.find(({ ladder }) => ladder?.challenger !== undefined)?.ladder?.challenger?.model ?? null;
}

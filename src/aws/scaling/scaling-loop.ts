/**
 * What Application Auto Scaling does by itself beside the scaling controller: it takes scheduled actions when they are due, and
 * lets provisioned concurrency follow its use. An action that was missed while no server ran is taken once when one does.
 */
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { type Log, withoutOrigin } from '../../monitoring/index.ts';
import { CustomMetrics, type MeasureMetric } from './custom-metrics.ts';
import { ProvisionedUse } from './provisioned-use.ts';
import { type ActionDocument, provisionedDimension, type TargetDocument } from './scaling-documents.ts';
import { nextDueMs, parseSchedule } from './schedule.ts';
import type { ScalableTarget, ScalableTargets } from './targets.ts';

export interface ScalingLoopOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly targets: ScalableTargets;
  /** Environments of a serverless variant that run something; null where nothing serves it. */
  readonly busyOf: (endpoint: string, variant: string) => number | null;
  readonly measure: MeasureMetric;
}

const lookEveryMs = 10_000;
const who = 'application-autoscaling';

export class ScalingLoop {
  readonly #options: ScalingLoopOptions;
  readonly #use: ProvisionedUse;
  readonly #metrics: CustomMetrics;
  #cancel: () => void = () => undefined;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: ScalingLoopOptions) {
    this.#options = options;
    this.#use = new ProvisionedUse(options.busyOf);
    this.#metrics = new CustomMetrics(options.measure);
  }

  open(): void {
    this.look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#looking;
  }

  /** Looks now, and from now on when something is due. What it does is not the deed of whoever has changed a schedule. */
  look(): void {
    this.#cancel();
    this.#looking = withoutOrigin(() => this.#looking.then(() => this.#look()));
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    const { clock, targets, log } = this.#options;
    let delayMs = lookEveryMs;
    try {
      for (const target of await targets.all()) delayMs = Math.min(delayMs, await this.#lookSafely(target));
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'scheduled actions could not be looked after');
    }
    this.#cancel();
    if (!this.#isClosed) this.#cancel = clock.after(delayMs, () => this.look());
  }

  /** One that cannot be looked after holds up no other. */
  async #lookSafely(target: ScalableTarget): Promise<number> {
    try {
      return await this.#lookAt(target);
    } catch (error) {
      const { endpoint, variant } = target.document;
      this.#options.log.warn({ endpoint, variant, error: messageOf(error) }, 'a variant could not be scaled as scheduled');
      return lookEveryMs;
    }
  }

  /** For how long there is nothing more to do. */
  async #lookAt(target: ScalableTarget): Promise<number> {
    const { clock, targets } = this.#options;
    const { document } = target;
    const nowMs = clock.wallMs();
    const dues = document.actions.map((action) => ({ action, dueMs: dueMsOf(action) }));
    const due = dues.flatMap(({ action, dueMs }) => (dueMs !== null && dueMs <= nowMs ? [{ action, dueMs }] : []));
    if (due.length > 0) await targets.change(document, (before) => taken(before, due, nowMs), who);
    const follower = document.dimension === provisionedDimension ? this.#use : this.#metrics;
    const wanted = await follower.wanted(target, nowMs);
    if (wanted !== null) await targets.setCapacity(document, wanted, who);
    const later = dues.flatMap(({ dueMs }) => (dueMs !== null && dueMs > nowMs ? [dueMs - nowMs] : []));
    return due.length > 0 ? 0 : Math.min(lookEveryMs, ...later);
  }
}

/** When it is due next after it was last looked after, within its time; null if never. */
function dueMsOf({ schedule, zone, startMs, endMs, createdAtMs, seenMs }: ActionDocument): number | null {
  const afterMs = Math.max(seenMs, (startMs ?? 0) - 1);
  const dueMs = nextDueMs(parseSchedule(schedule, zone), afterMs, startMs ?? createdAtMs);
  return dueMs === null || (endMs !== undefined && dueMs > endMs) ? null : dueMs;
}

/** In the order in which they were due; while schedules are suspended they pass without effect. */
function taken(
  before: TargetDocument,
  due: readonly { readonly action: ActionDocument; readonly dueMs: number }[],
  nowMs: number,
): TargetDocument {
  let target = before;
  for (const { action } of due.toSorted((a, b) => a.dueMs - b.dueMs)) {
    const current = target.actions.find(({ id }) => id === action.id);
    if (current === undefined) continue;
    const actions = target.actions.map((each) => (each === current ? { ...each, seenMs: nowMs } : each));
    if (target.suspended.ScheduledScalingSuspended === true) {
      target = { ...target, actions };
      continue;
    }
    // Where only one limit is given and the other is in its way, that gives way.
    const min = action.min ?? Math.min(target.min, action.max ?? target.min);
    const max = action.max ?? Math.max(target.max, min);
    const cause = `scheduled action name ${action.name} was triggered: minimum capacity ${min}, maximum capacity ${max}`;
    const activity = { id: `${action.id}-${nowMs}`, atMs: nowMs, cause, capacity: min };
    target = { ...target, actions, min, max, activities: [...target.activities, activity] };
  }
  return target;
}

/**
 * Watched updates, brought about: each second every rollout is judged, and the verdict is written before it is acted on. So a restart goes on
 * where it was: with the step that was served, and as long as that was watched already.
 */
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Alarms, Audit, Events, Log, PlatformEvent } from '../monitoring/index.ts';
import { type Database, inTransaction, type Transaction } from '../storage/index.ts';
import { type CountedBefore, EarlierCounts } from './earlier-counts.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import { lockRow, type StoredEndpoint, updateRow } from './endpoint-rows.ts';
import type { EndpointView } from './endpoint-view.ts';
import type { EndpointReconciler } from './reconcile.ts';
import { type Guard, isUnderWay, judgeRollout, type Rollout, type RolloutVerdict } from './rollout.ts';
import { RolloutWindows } from './rollout-windows.ts';
import type { ServingDoor } from './serving-door.ts';
import { askedByHand, changeDetail, verdictEvent } from './update-events.ts';
import type { CountedVersion } from './version-counts.ts';
import { newModels, withKept, withTakenBack } from './version-history.ts';

/** What somebody else keeps beside a generation that is as an earlier one was, within the transaction that writes it. */
export type KeptOnRollback = (
  tx: Transaction,
  endpoint: { readonly config: EndpointConfig; readonly generation: number },
  earlier: number,
) => Promise<void>;

export interface RolloutsNeeds {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  readonly serving: Pick<ServingDoor, 'counted'>;
  /** The same endpoint, wanted otherwise. */
  readonly want: (stored: StoredEndpoint) => Promise<void>;
}

export class Rollouts {
  readonly #needs: RolloutsNeeds;
  readonly #busy = new Map<EndpointReconciler, Promise<void>>();
  readonly #windows = new RolloutWindows();
  readonly #earlier = new EarlierCounts();
  #alarms: Pick<Alarms, 'get'> | null = null;
  /** Epoch milliseconds. */
  #judgingSinceMs = 0;
  #kept: KeptOnRollback = () => Promise.resolve();

  constructor(needs: RolloutsNeeds) {
    this.#needs = needs;
  }

  /** Nothing is judged before. */
  follow(alarms: Pick<Alarms, 'get'>, countedBefore?: CountedBefore): void {
    this.#alarms = alarms;
    this.#judgingSinceMs = this.#needs.clock.wallMs();
    if (countedBefore !== undefined) this.#earlier.readBy(countedBefore);
  }

  keepOnRollback(kept: KeptOnRollback): void {
    this.#kept = kept;
  }

  alarmState(name: string): ReturnType<Parameters<typeof judgeRollout>[1]['alarmState']> {
    return this.#alarms?.get(name)?.state ?? null;
  }

  /** Looks at an endpoint's, unless it is being acted on. */
  look(reconciler: EndpointReconciler): void {
    const { rollout, state } = reconciler.endpoint;
    if (this.#alarms === null || state !== 'InService' || !isUnderWay(rollout) || this.#busy.has(reconciler)) return;
    const { endpoint } = reconciler;
    const { name } = endpoint.config;
    const isServed = rollout.stepSinceMs !== null;
    const earlier = isServed ? this.#earlier.of(endpoint, rollout) : null;
    const verdict = judgeRollout(rollout, {
      nowMs: this.#needs.clock.wallMs(),
      // While no server ran, nobody watched.
      watchedSinceMs: isServed && earlier !== null ? Math.max(rollout.stepSinceMs, this.#judgingSinceMs) : null,
      ...reconciler.rolloutSight,
      alarmState: (alarm) => this.alarmState(alarm),
      faultOf: (isOver) => {
        const fault = this.#windows.faultOf(endpoint, this.#needs.serving.counted(name), isOver, earlier ?? undefined);
        return earlier === null ? null : fault;
      },
    });
    if (verdict.kind === 'wait') return;
    const done = this.#act({ name, generation: endpoint.generation, rollout, versions: this.versionsOf(reconciler) }, verdict)
      .then(() => undefined)
      .catch((error: unknown) => this.#needs.log.warn({ endpoint: name, error: messageOf(error) }, 'a rollout could not go on yet'))
      .finally(() => this.#busy.delete(reconciler));
    this.#busy.set(reconciler, done);
  }

  /** The endpoint is gone: one that comes later under its name begins anew. */
  forget(endpoint: string): void {
    this.#windows.forget(endpoint);
    this.#earlier.forget(endpoint);
  }

  /** What each version did since the update began to be watched, the new ones first; none where no update is under way. */
  versionsOf({ endpoint }: EndpointReconciler): readonly CountedVersion[] {
    return this.#windows.during(endpoint, this.#needs.serving.counted(endpoint.config.name));
  }

  /** Takes an update under way back, because somebody wants it. Throws `wrong_state` where it has just ended. */
  async takeBack({ config, generation, rollout, rolloutVersions: versions }: EndpointView, who: string): Promise<void> {
    const judged = isUnderWay(rollout) ? { name: config.name, generation, rollout, versions } : null;
    const isDone = judged !== null && (await this.#act(judged, { kind: 'take-back', reason: askedByHand }, who));
    if (!isDone)
      throw new PlatformError('wrong_state', `the update of ${config.name} has just ended: look with \`penstock describe ${config.name}\``);
  }

  async close(): Promise<void> {
    this.#alarms = null;
    await Promise.all(this.#busy.values());
  }

  /** Whether it was still to be done. */
  async #act(
    { name, generation, rollout, versions }: Judged,
    verdict: Exclude<RolloutVerdict, { kind: 'wait' }>,
    who: string | null = null,
  ): Promise<boolean> {
    const { db, events, audit, clock, want } = this.#needs;
    let event: PlatformEvent | null = null;
    const wanted = await inTransaction(db, async (tx) => {
      const stored = await lockRow(tx, name);
      // Somebody wanted something else meanwhile.
      if (stored?.generation !== generation || stored.state !== 'InService' || !isUnderWay(stored.rollout)) return null;
      const next = after(stored, rollout, verdict, clock.wallMs());
      await updateRow(tx, next);
      if (verdict.kind === 'take-back') {
        await this.#kept(tx, next, rollout.beforeGeneration);
        const detail = changeDetail(stored, next, verdict.reason);
        await audit.record(tx, { who: who ?? 'penstock', action: 'RollBackEndpoint', target: name, outcome: 'ok', detail });
      }
      event = await events.record(tx, verdictEvent(next, { rollout, config: stored.config, versions }, verdict, who));
      return next;
    });
    if (event !== null) events.publish(event);
    if (verdict.kind === 'take-back' || verdict.kind === 'done') this.forget(name);
    if (wanted !== null) await want(wanted);
    return wanted !== null;
  }
}

/** What a verdict is about. */
interface Judged {
  readonly name: string;
  readonly generation: number;
  readonly rollout: Rollout;
  readonly versions: readonly CountedVersion[];
}

function after(
  stored: StoredEndpoint,
  rollout: Rollout,
  verdict: Exclude<RolloutVerdict, { kind: 'wait' }>,
  nowMs: number,
): StoredEndpoint {
  switch (verdict.kind) {
    case 'begin':
      return { ...stored, rollout: { ...rollout, stepSinceMs: nowMs } };
    case 'next':
      return { ...stored, rollout: { ...rollout, step: rollout.step + 1, stepSinceMs: null } };
    case 'done':
      return { ...stored, rollout: null, updatedAtMs: nowMs, history: withKept(stored.history, stored.config) };
    case 'take-back': {
      const generation = stored.generation + 1;
      const back = { ...rollout, stepSinceMs: null, takenBack: verdict.reason };
      const models = newModels(stored.config.variants, rollout.before.variants);
      const history = withTakenBack(stored.history, models, { reason: verdict.reason, atMs: nowMs });
      return { ...stored, config: rollout.before, generation, rollout: back, updatedAtMs: nowMs, history };
    }
  }
}

/** What an update begins with; null where nobody wants to watch it. */
export function newRollout(stored: StoredEndpoint, guard: Guard | null, nowMs: number): Rollout | null {
  if (guard === null) return null;
  const { config, generation } = stored;
  return { guard, before: config, beforeGeneration: generation, startedAtMs: nowMs, step: 0, stepSinceMs: null, takenBack: null };
}

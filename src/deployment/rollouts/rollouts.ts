/**
 * Carries out monitored updates. Every rollout is judged once a second, and a verdict is stored before it is carried out. After a
 * restart, a rollout continues with the current step, which is then monitored for its full time again.
 */

import type { Alarms } from '../../alerts/index.ts';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Audit, Events, PlatformEvent } from '../../records/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import { type InstanceCounts, withCurrentCounts } from '../counts/instance-counts.ts';
import { lockEndpointRow, type StoredEndpoint, updateEndpointRow } from '../endpoint-rows.ts';
import type { EndpointView } from '../endpoint-view.ts';
import type { EndpointReconciler } from '../reconcile/reconcile.ts';
import type { ServingPort } from '../serving-port.ts';
import { type CountedBefore, EarlierCounts } from './earlier-counts.ts';
import { isUnderWay, judgeRollout, type Rollout, type RolloutGuard, type RolloutVerdict, rolloutStepOf } from './rollout.ts';
import type { StepEvidence } from './rollout-evidence.ts';
import { RolloutWindows } from './rollout-windows.ts';
import { changeDetail, requestedManually, verdictEvent } from './update-events.ts';
import type { CountedVersion } from './version-counts.ts';
import { newModels, withRetained, withRolledBack } from './version-history.ts';

/** Lets other modules store data with the generation of a rollback, in one transaction. `earlier`: the restored generation. */
export type RollbackHook = (
  tx: Transaction,
  endpoint: { readonly config: EndpointConfig; readonly generation: number },
  earlier: number,
) => Promise<void>;

export interface RolloutsDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  readonly counts: Pick<InstanceCounts, 'recordChanges'>;
  readonly serving: Pick<ServingPort, 'counted'>;
  /** Applies a stored endpoint as the desired state. */
  readonly setDesired: (stored: StoredEndpoint) => Promise<void>;
}

/** All monitored updates of a server. */
export class Rollouts {
  readonly #deps: RolloutsDeps;
  /** Verdicts that are being carried out; their rollouts are not judged meanwhile. */
  readonly #busy = new Map<EndpointReconciler, Promise<void>>();
  readonly #windows = new RolloutWindows();
  readonly #earlier = new EarlierCounts();
  #alarms: Pick<Alarms, 'get'> | null = null;
  /** When this server began to judge rollouts, epoch milliseconds. */
  #judgingSinceMs = 0;
  #rollbackHook: RollbackHook = () => Promise.resolve();

  constructor(deps: RolloutsDeps) {
    this.#deps = deps;
  }

  /** Starts judging rollouts; none is judged before this call. */
  follow(alarms: Pick<Alarms, 'get'>, countedBefore?: CountedBefore): void {
    this.#alarms = alarms;
    this.#judgingSinceMs = this.#deps.clock.wallMs();
    if (countedBefore !== undefined) this.#earlier.readBy(countedBefore);
  }

  onRollback(hook: RollbackHook): void {
    this.#rollbackHook = hook;
  }

  alarmState(name: string): ReturnType<Parameters<typeof judgeRollout>[1]['alarmState']> {
    return this.#alarms?.get(name)?.state ?? null;
  }

  /** Judges an endpoint's rollout, unless the last verdict on it is still being carried out. */
  judge(reconciler: EndpointReconciler): void {
    const { rollout, state } = reconciler.endpoint;
    if (this.#alarms === null || state !== 'InService' || !isUnderWay(rollout) || this.#busy.has(reconciler)) return;
    const { endpoint } = reconciler;
    const { name } = endpoint.config;
    const isServed = rollout.stepSinceMs !== null;
    const earlier = isServed ? this.#earlier.of(endpoint, rollout) : null;
    const decision = judgeRollout(rollout, {
      nowMs: this.#deps.clock.wallMs(),
      // Time without a running server does not count as monitored.
      watchedSinceMs: isServed && earlier !== null ? Math.max(rollout.stepSinceMs, this.#judgingSinceMs) : null,
      ...reconciler.rolloutObservation,
      alarmState: (alarm) => this.alarmState(alarm),
      faultOf: (isOver) => {
        const fault = this.#windows.faultOf(endpoint, this.#deps.serving.counted(name), isOver, earlier ?? undefined);
        return earlier === null ? null : fault;
      },
      evidenceOf: () => this.evidenceOf(reconciler),
    });
    if (decision.kind === 'wait') return;
    const done = this.#act({ name, generation: endpoint.generation, rollout, versions: this.versionsOf(reconciler) }, decision)
      .then(() => undefined)
      .catch((error: unknown) =>
        this.#deps.log.warn({ endpoint: name, error: messageOf(error) }, 'failed to continue a rollout, will retry'),
      )
      .finally(() => this.#busy.delete(reconciler));
    this.#busy.set(reconciler, done);
  }

  /** Call it when the endpoint is deleted, so that a later endpoint of this name starts from scratch. */
  discard(endpoint: string): void {
    this.#windows.discard(endpoint);
    this.#earlier.discard(endpoint);
  }

  /** The counts of each version since monitoring of the update began, new versions first; none if no update is in progress. */
  versionsOf({ endpoint }: EndpointReconciler): readonly CountedVersion[] {
    return this.#windows.during(endpoint, this.#deps.serving.counted(endpoint.config.name));
  }

  /** What the new versions of an update have received in its current step. */
  evidenceOf({ endpoint }: EndpointReconciler): StepEvidence {
    return this.#windows.evidenceOf(endpoint, this.#deps.serving.counted(endpoint.config.name));
  }

  /** Continues a paused update without the answers that it waits for. Throws `wrong_state` if no update is paused. */
  async continueUpdate({ config, generation, rollout, rolloutVersions: versions }: EndpointView, who: string): Promise<void> {
    const { name } = config;
    if (!isUnderWay(rollout) || rollout.hold !== 'paused')
      throw new PlatformError('wrong_state', `no update of ${name} is paused: look with \`penstock describe ${name}\``);
    const isLast = rollout.step + 1 === rollout.guard.steps.length;
    const verdict = { kind: isLast ? 'done' : 'next', note: 'continued manually, with too few answers to judge' } as const;
    if (!(await this.#act({ name, generation, rollout, versions }, verdict, who)))
      throw new PlatformError('wrong_state', `the update of ${name} has just ended: look with \`penstock describe ${name}\``);
  }

  /** Rolls back an update in progress on request. Throws `wrong_state` if it has just ended. */
  async rollBack({ config, generation, rollout, rolloutVersions: versions }: EndpointView, who: string): Promise<void> {
    const judged = isUnderWay(rollout) ? { name: config.name, generation, rollout, versions } : null;
    const isDone = judged !== null && (await this.#act(judged, { kind: 'roll-back', reason: requestedManually }, who));
    if (!isDone)
      throw new PlatformError('wrong_state', `the update of ${config.name} has just ended: look with \`penstock describe ${config.name}\``);
  }

  async close(): Promise<void> {
    this.#alarms = null;
    await Promise.all(this.#busy.values());
  }

  /** Returns false if the verdict no longer applied, because the desired state has changed. */
  async #act(
    { name, generation, rollout, versions }: Judged,
    verdict: Exclude<RolloutVerdict, { kind: 'wait' }>,
    who: string | null = null,
  ): Promise<boolean> {
    const { db, events, audit, clock, counts, setDesired } = this.#deps;
    const recorded: PlatformEvent[] = [];
    const wanted = await inTransaction(db, async (tx) => {
      const stored = await lockEndpointRow(tx, name);
      if (stored?.generation !== generation || stored.state !== 'InService' || !isUnderWay(stored.rollout)) return null;
      // Another verdict was stored meanwhile: a user continued the update, or the step went on by itself.
      if (verdict.kind !== 'roll-back' && stored.rollout.step !== rollout.step) return null;
      const next = after(stored, rollout, verdict, clock.wallMs());
      await updateEndpointRow(tx, next);
      if (verdict.kind === 'roll-back') {
        await this.#rollbackHook(tx, next, rollout.beforeGeneration);
        const detail = changeDetail(stored, next, verdict.reason);
        await audit.record(tx, { who: who ?? 'penstock', action: 'RollBackEndpoint', target: name, outcome: 'ok', detail });
        const [old, now] = [await withCurrentCounts(tx, stored.config), await withCurrentCounts(tx, next.config)];
        const why = who === null ? `the update was rolled back: ${verdict.reason}` : `${who} rolled the update back`;
        recorded.push(...(await counts.recordChanges(tx, old, now, { trigger: 'rollback', why })));
      } else if (who !== null) {
        const detail = { generation, share: rolloutStepOf(rollout).share };
        await audit.record(tx, { who, action: 'ContinueUpdate', target: name, outcome: 'ok', detail });
      }
      recorded.push(await events.record(tx, verdictEvent(next, { rollout, config: stored.config, versions }, verdict, who)));
      return next;
    });
    for (const event of recorded) events.publish(event);
    if (verdict.kind === 'roll-back' || verdict.kind === 'done') this.discard(name);
    if (wanted !== null) await setDesired(wanted);
    return wanted !== null;
  }
}

/** The rollout that a verdict applies to. */
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
  const { hold: _hold, ...unheld } = rollout;
  switch (verdict.kind) {
    case 'begin':
      return { ...stored, rollout: { ...rollout, stepSinceMs: nowMs } };
    case 'extend':
      return { ...stored, rollout: { ...rollout, hold: 'extended' } };
    case 'pause':
      return { ...stored, rollout: { ...rollout, hold: 'paused' } };
    case 'next':
      return { ...stored, rollout: { ...unheld, step: rollout.step + 1, stepSinceMs: null } };
    case 'done':
      return { ...stored, rollout: null, updatedAtMs: nowMs, history: withRetained(stored.history, stored.config) };
    case 'roll-back': {
      const generation = stored.generation + 1;
      const back = { ...unheld, stepSinceMs: null, rolledBack: verdict.reason };
      const models = newModels(stored.config.variants, rollout.before.variants);
      const history = withRolledBack(stored.history, models, { reason: verdict.reason, atMs: nowMs });
      return { ...stored, config: rollout.before, generation, rollout: back, updatedAtMs: nowMs, history };
    }
  }
}

/** The initial rollout of an update; null if it is not monitored. */
export function newRollout(stored: StoredEndpoint, guard: RolloutGuard | null, nowMs: number): Rollout | null {
  if (guard === null) return null;
  const { config, generation } = stored;
  return { guard, before: config, beforeGeneration: generation, startedAtMs: nowMs, step: 0, stepSinceMs: null, rolledBack: null };
}

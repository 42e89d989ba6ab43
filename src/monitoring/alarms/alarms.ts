/**
 * Alarms: kept in the database, looked at every ten seconds, and what they did and why is kept too. A change of state is one transaction with its
 * note and its event; its actions follow, and what comes of them is noted.
 */
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import type { Events, PlatformEvent } from '../records/events.ts';
import type { MetricStore } from '../series/metric-store.ts';
import type { Alarm, AlarmChange, AlarmDefinition, AlarmHistoryKind, AlarmNote } from './alarm.ts';
import { noteAction, writeNote } from './alarm-notes.ts';
import { valuesOf, withoutRoom } from './alarm-values.ts';
import { type AlarmState, evaluate } from './evaluate.ts';

export interface AlarmsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly store: Pick<MetricStore, 'series' | 'lacksRoomFor'>;
  /**
   * Does what an action says; throws where it cannot. Called for each action of the state that was entered. Who has it done later says how it
   * ended by `noteAction`, once that is known.
   */
  readonly act: (action: string, change: AlarmChange) => Promise<'done' | 'later'>;
  /** Whether an action is done again, once a minute, for as long as its alarm stays in the state. */
  readonly isRepeated?: (action: string) => boolean;
  /** Looks at those that are judged elsewhere; called before the others. */
  readonly lookElsewhere?: (alarms: Alarms) => Promise<void>;
  /** An alarm could not be looked at. */
  readonly onFailure: (alarm: string, error: unknown) => void;
}

const unchecked = 'Unchecked: Initial alarm creation';
const everyMs = 10_000;
const alarmsMax = 5000;
const reasonMax = 1023;
const repeatEveryMs = 60_000;
const historyKeptMs = 30 * 86_400_000;

export class Alarms {
  readonly #options: AlarmsOptions;
  readonly #alarms = new Map<string, Alarm>();
  /** When actions that are repeated were last done, by alarm. */
  readonly #repeated = new Map<string, number>();
  readonly #found = new Map<string, string>();
  readonly #listeners = new Set<(change: AlarmChange) => void>();
  #cancelTimer: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #clearedDay = 0;
  #isClosed = false;

  constructor(options: AlarmsOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const rows = await this.#options.db.selectFrom('alarms').selectAll().execute();
    for (const { definition, state, state_reason, state_since, updated_at } of rows) {
      const alarm = {
        ...(JSON.parse(definition) as AlarmDefinition),
        state: state as AlarmState,
        stateReason: state_reason,
        stateSinceMs: state_since,
        updatedAtMs: updated_at,
      };
      this.#alarms.set(alarm.name, alarm);
    }
    this.#later();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer();
    await this.#running;
  }

  list(): Alarm[] {
    return [...this.#alarms.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What its last look found, also where its state stayed: as of now, where `stateReason` is as of the change. */
  foundLast(name: string): string | null {
    return this.#found.get(name) ?? null;
  }

  get(name: string): Alarm | null {
    return this.#alarms.get(name) ?? null;
  }

  /** Makes it, or makes it another: then it keeps its state. Throws `invalid_request`, `too_large`. */
  async put(definition: AlarmDefinition): Promise<void> {
    const before = this.#alarms.get(definition.name);
    if (before === undefined && this.#alarms.size >= alarmsMax)
      throw new PlatformError('too_large', `there are ${alarmsMax} alarms already: delete some first`);
    const nowMs = this.#options.clock.wallMs();
    const { state = 'INSUFFICIENT_DATA', stateReason = unchecked, stateSinceMs = nowMs } = before ?? {};
    const alarm: Alarm = { ...definition, state, stateReason, stateSinceMs, updatedAtMs: nowMs };
    const what = before === undefined ? 'created' : 'updated';
    await inTransaction(this.#options.db, async (tx) => {
      await this.#write(tx, alarm);
      await this.#note(tx, alarm.name, 'ConfigurationUpdate', `Alarm "${alarm.name}" ${what}`, { type: what, definition });
    });
    this.#alarms.set(alarm.name, alarm);
  }

  /** What is not there is gone already. */
  async delete(names: readonly string[]): Promise<void> {
    const there = names.filter((name) => this.#alarms.has(name));
    await inTransaction(this.#options.db, async (tx) => {
      for (const name of there) {
        await tx.deleteFrom('alarms').where('name', '=', name).execute();
        await this.#note(tx, name, 'ConfigurationUpdate', `Alarm "${name}" deleted`, { type: 'deleted' });
      }
    });
    for (const name of there) {
      this.#alarms.delete(name);
      this.#repeated.delete(name);
      this.#found.delete(name);
    }
  }

  async enableActions(names: readonly string[], actionsEnabled: boolean): Promise<void> {
    for (const name of names) {
      const alarm = this.#alarms.get(name);
      if (alarm === undefined) continue;
      const { state: _state, stateReason: _reason, stateSinceMs: _since, updatedAtMs: _updated, ...definition } = alarm;
      await this.put({ ...definition, actionsEnabled });
    }
  }

  /** By hand: it acts at once; the next look may undo it. Throws `not_found`. */
  async setState(name: string, state: AlarmState, reason: string): Promise<void> {
    const alarm = this.#alarms.get(name);
    if (alarm === undefined) throw new PlatformError('not_found', `there is no alarm ${name}`);
    await this.#enter(alarm, state, reason, null);
  }

  /** It was judged elsewhere; nothing happens where its state stays. Throws `not_found`. */
  async rule(name: string, state: AlarmState, reason: string): Promise<void> {
    const alarm = this.#alarms.get(name);
    if (alarm === undefined) throw new PlatformError('not_found', `there is no alarm ${name}`);
    this.#found.set(name, reason);
    if (alarm.state !== state) await this.#enter(alarm, state, reason, null);
    else await this.#keepFirst(alarm, reason);
  }

  /** The latest first, unless told. */
  async history(wish: {
    name?: string | undefined;
    kind?: AlarmHistoryKind | undefined;
    fromMs?: number | undefined;
    toMs?: number | undefined;
    /** The last `seq` of the page before. */
    after?: number | undefined;
    ascending?: boolean;
    limit: number;
  }): Promise<(AlarmNote & { readonly seq: number })[]> {
    const order = wish.ascending === true ? 'asc' : 'desc';
    let query = this.#options.db.selectFrom('alarm_history').selectAll().orderBy('seq', order).limit(wish.limit);
    if (wish.name !== undefined) query = query.where('alarm', '=', wish.name);
    if (wish.kind !== undefined) query = query.where('kind', '=', wish.kind);
    if (wish.fromMs !== undefined) query = query.where('at', '>=', wish.fromMs);
    if (wish.toMs !== undefined) query = query.where('at', '<=', wish.toMs);
    if (wish.after !== undefined) query = query.where('seq', order === 'asc' ? '>' : '<', wish.after);
    const rows = await query.execute();
    return rows.map(({ seq, alarm, at, kind, summary, data }) => {
      return { seq: Number(seq), alarm, atMs: at, kind: kind as AlarmHistoryKind, summary, data: JSON.parse(data) as unknown };
    });
  }

  /** Told of each change of state. The answer ends it. */
  onChange(listener: (change: AlarmChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks at all of them now, once nobody else does. */
  look(): Promise<void> {
    const done = this.#running.then(() => this.#lookAtAll());
    this.#running = done.catch(() => undefined);
    return done;
  }

  async #lookAtAll(): Promise<void> {
    const { store, clock, lookElsewhere, onFailure } = this.#options;
    await lookElsewhere?.(this).catch((error: unknown) => onFailure('those of every endpoint', error));
    for (const alarm of this.list()) {
      if (alarm.queries.length === 0) continue; // others judge it, by `rule`
      try {
        const values = await valuesOf(store, alarm, clock.wallMs());
        const { state, reason, datapoints } = withoutRoom(store, alarm, evaluate(alarm.rule, values, alarm.state));
        this.#found.set(alarm.name, reason);
        // It may have been deleted, or made another, while its values were read.
        if (this.#alarms.get(alarm.name) !== alarm) continue;
        if (state !== alarm.state) await this.#enter(alarm, state, reason, datapoints);
        else {
          await this.#keepFirst(alarm, reason);
          await this.#repeat(alarm, datapoints[0] ?? null);
        }
      } catch (error) {
        onFailure(alarm.name, error);
      }
    }
    await this.#clear();
  }

  #later(): void {
    this.#cancelTimer = this.#options.clock.after(everyMs, () => {
      void this.look()
        .catch((error: unknown) => this.#options.onFailure('all', error))
        .finally(() => {
          if (!this.#isClosed) this.#later();
        });
    });
  }

  async #enter(before: Alarm, state: AlarmState, reason: string, datapoints: readonly number[] | null): Promise<void> {
    const { db, clock, events } = this.#options;
    const nowMs = clock.wallMs();
    const alarm: Alarm = { ...before, state, stateReason: reason.slice(0, reasonMax), stateSinceMs: nowMs };
    const data = { oldState: before.state, newState: state, reason: alarm.stateReason, datapoints };
    let event: PlatformEvent | null = null;
    await inTransaction(db, async (tx) => {
      await this.#write(tx, alarm);
      await this.#note(tx, alarm.name, 'StateUpdate', `Alarm updated from ${before.state} to ${state}`, data);
      event = await events.record(tx, { kind: 'alarm.state-changed', subject: alarm.name, detail: data });
    });
    this.#alarms.set(alarm.name, alarm);
    if (event !== null) events.publish(event);
    const change = { alarm, before: before.state, datapoint: datapoints?.[0] ?? null };
    for (const listener of this.#listeners) listener(change);
    this.#repeated.set(alarm.name, nowMs);
    if (alarm.actionsEnabled) for (const action of alarm.actions[state]) await this.#act(action, change);
  }

  /** It was looked at for the first time, and its state is the one that it began with: no change, but there is a reason now. */
  async #keepFirst(before: Alarm, reason: string): Promise<void> {
    if (before.stateReason !== unchecked) return;
    const alarm = { ...before, stateReason: reason.slice(0, reasonMax) };
    await inTransaction(this.#options.db, (tx) => this.#write(tx, alarm));
    this.#alarms.set(alarm.name, alarm);
  }

  /** What an alarm does again while its state stays; only what goes wrong is noted. */
  async #repeat(alarm: Alarm, datapoint: number | null): Promise<void> {
    const { clock, act, isRepeated } = this.#options;
    const actions = alarm.actionsEnabled && isRepeated !== undefined ? alarm.actions[alarm.state].filter(isRepeated) : [];
    const nowMs = clock.wallMs();
    if (actions.length === 0 || nowMs - (this.#repeated.get(alarm.name) ?? 0) < repeatEveryMs) return;
    this.#repeated.set(alarm.name, nowMs);
    for (const action of actions) {
      await act(action, { alarm, before: alarm.state, datapoint }).catch((error: unknown) => this.#options.onFailure(alarm.name, error));
    }
  }

  async #act(action: string, change: AlarmChange): Promise<void> {
    const { db, clock, act } = this.#options;
    const { name } = change.alarm;
    const note = (error: string | null) => noteAction(db, { alarm: name, action, atMs: clock.wallMs(), error });
    try {
      if ((await act(action, change)) === 'done') await note(null);
    } catch (error) {
      await note(messageOf(error));
    }
  }

  async #write(tx: Transaction, { state, stateReason, stateSinceMs, updatedAtMs, ...definition }: Alarm): Promise<void> {
    const row = {
      definition: JSON.stringify(definition),
      state,
      state_reason: stateReason,
      state_since: stateSinceMs,
      updated_at: updatedAtMs,
    };
    await tx
      .insertInto('alarms')
      .values({ name: definition.name, ...row })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
  }

  async #note(tx: Transaction | Database, alarm: string, kind: AlarmHistoryKind, summary: string, data: unknown): Promise<void> {
    await writeNote(tx, { alarm, atMs: this.#options.clock.wallMs(), kind, summary, data });
  }

  async #clear(): Promise<void> {
    const { db, clock } = this.#options;
    const day = Math.floor(clock.wallMs() / 86_400_000);
    if (day === this.#clearedDay) return;
    this.#clearedDay = day;
    await db
      .deleteFrom('alarm_history')
      .where('at', '<', clock.wallMs() - historyKeptMs)
      .execute();
  }
}

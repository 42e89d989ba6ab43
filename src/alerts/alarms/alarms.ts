/**
 * Alarms are stored in the database and evaluated every ten seconds. A change of state, its note and its event are one transaction; actions
 * run afterwards and their results are noted.
 */
import { type Clock, Loop } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { MetricStore } from '../../metrics/index.ts';
import type { Events, PlatformEvent } from '../../records/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import type { Alarm, AlarmChange, AlarmDefinition, AlarmHistoryKind, AlarmNote } from './alarm.ts';
import { noteAction, writeNote } from './alarm-notes.ts';
import { valuesOf, withoutCapacity } from './alarm-values.ts';
import { type AlarmState, evaluate } from './evaluate.ts';

export interface AlarmsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly store: Pick<MetricStore, 'series' | 'isFullFor'>;
  /**
   * Runs an action of the entered state; throws on failure. If it returns `later`, the caller reports the result by `noteAction` when it is
   * known.
   */
  readonly act: (action: string, change: AlarmChange) => Promise<'done' | 'later'>;
  /** Whether an action repeats once a minute while its alarm stays in the state. */
  readonly isRepeated?: (action: string) => boolean;
  /** Evaluates default alarms; called before the others. */
  readonly readExternal?: (alarms: Alarms) => Promise<void>;
  /** An alarm could not be evaluated. */
  readonly onFailure: (alarm: string, error: unknown) => void;
}

const unchecked = 'Unchecked: Initial alarm creation';
const everyMs = 10_000;
const alarmsMax = 5000;
const reasonMax = 1023;
const repeatEveryMs = 60_000;
const historyRetentionMs = 30 * 86_400_000;

/** All alarms are in memory; the database has them for the next start. */
export class Alarms {
  readonly #options: AlarmsOptions;
  readonly #alarms = new Map<string, Alarm>();
  /** When repeating actions last ran, by alarm. */
  readonly #repeated = new Map<string, number>();
  /** The reason found by the last evaluation, by alarm. */
  readonly #lastReasons = new Map<string, string>();
  readonly #listeners = new Set<(change: AlarmChange) => void>();
  readonly #loop: Loop;
  #running: Promise<void> = Promise.resolve();
  #clearedDay = 0;

  constructor(options: AlarmsOptions) {
    this.#options = options;
    const { clock, onFailure } = options;
    this.#loop = new Loop({ clock, everyMs, run: () => this.poll(), onFailure: (error) => onFailure('all', error) });
  }

  async open(): Promise<void> {
    await this.refresh();
    this.#loop.open();
  }

  /** Reloads alarms: the database may have stored a change although the connection was lost before the confirmation. */
  async refresh(): Promise<void> {
    const before = [...this.#alarms.values()];
    const rows = await this.#options.db.selectFrom('alarms').selectAll().execute();
    const stored = new Set(rows.map(({ name }) => name));
    for (const alarm of before) if (!stored.has(alarm.name) && this.#alarms.get(alarm.name) === alarm) this.#alarms.delete(alarm.name);
    for (const { definition, state, state_reason, state_since, updated_at } of rows) {
      const alarm = {
        ...(JSON.parse(definition) as AlarmDefinition),
        state: state as AlarmState,
        stateReason: state_reason,
        stateSinceMs: state_since,
        updatedAtMs: updated_at,
      };
      const known = this.#alarms.get(alarm.name);
      if (known === undefined || known.updatedAtMs < alarm.updatedAtMs || known.stateSinceMs < alarm.stateSinceMs)
        this.#alarms.set(alarm.name, alarm);
    }
  }

  async close(): Promise<void> {
    await this.#loop.close();
    await this.#running;
  }

  list(): Alarm[] {
    return [...this.#alarms.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The reason found by the last evaluation. `stateReason`, in contrast, is the reason of the last change. */
  lastReason(name: string): string | null {
    return this.#lastReasons.get(name) ?? null;
  }

  get(name: string): Alarm | null {
    return this.#alarms.get(name) ?? null;
  }

  /** Creates or replaces an alarm; a replaced alarm retains its state. Throws `invalid_request`, `too_large`. */
  async put(definition: AlarmDefinition): Promise<void> {
    const before = this.#alarms.get(definition.name);
    if (before === undefined && this.#alarms.size >= alarmsMax)
      throw new PlatformError('too_large', `the limit of ${alarmsMax} alarms is reached. Delete some first`);
    const nowMs = this.#options.clock.wallMs();
    const { state = 'INSUFFICIENT_DATA', stateReason = unchecked, stateSinceMs = nowMs } = before ?? {};
    const alarm: Alarm = { ...definition, state, stateReason, stateSinceMs, updatedAtMs: nowMs };
    const change = before === undefined ? 'created' : 'updated';
    await inTransaction(this.#options.db, async (tx) => {
      await this.#write(tx, alarm);
      await this.#note(tx, alarm.name, 'ConfigurationUpdate', `Alarm "${alarm.name}" ${change}`, { type: change, definition });
    });
    this.#alarms.set(alarm.name, alarm);
  }

  /** Ignores names that do not exist. */
  async delete(names: readonly string[]): Promise<void> {
    const stored = names.filter((name) => this.#alarms.has(name));
    await inTransaction(this.#options.db, async (tx) => {
      for (const name of stored) {
        await tx.deleteFrom('alarms').where('name', '=', name).execute();
        await this.#note(tx, name, 'ConfigurationUpdate', `Alarm "${name}" deleted`, { type: 'deleted' });
      }
    });
    for (const name of stored) {
      this.#alarms.delete(name);
      this.#repeated.delete(name);
      this.#lastReasons.delete(name);
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

  /** Sets the state by hand. Actions run at once; the next evaluation may revert it. Throws `not_found`. */
  async setState(name: string, state: AlarmState, reason: string): Promise<void> {
    const alarm = this.#alarms.get(name);
    if (alarm === undefined) throw new PlatformError('not_found', `there is no alarm ${name}`);
    await this.#enter(alarm, state, reason, null);
  }

  /** Sets the state evaluated elsewhere; does nothing if it is unchanged. Throws `not_found`. */
  async rule(name: string, state: AlarmState, reason: string): Promise<void> {
    const alarm = this.#alarms.get(name);
    if (alarm === undefined) throw new PlatformError('not_found', `there is no alarm ${name}`);
    this.#lastReasons.set(name, reason);
    if (alarm.state !== state) await this.#enter(alarm, state, reason, null);
    else await this.#storeFirst(alarm, reason);
  }

  /** Latest first by default. */
  async history(query: {
    name?: string | undefined;
    kind?: AlarmHistoryKind | undefined;
    fromMs?: number | undefined;
    toMs?: number | undefined;
    /** The last `seq` of the previous page. */
    after?: number | undefined;
    ascending?: boolean;
    limit: number;
  }): Promise<(AlarmNote & { readonly seq: number })[]> {
    const order = query.ascending === true ? 'asc' : 'desc';
    let rowsQuery = this.#options.db.selectFrom('alarm_history').selectAll().orderBy('seq', order).limit(query.limit);
    if (query.name !== undefined) rowsQuery = rowsQuery.where('alarm', '=', query.name);
    if (query.kind !== undefined) rowsQuery = rowsQuery.where('kind', '=', query.kind);
    if (query.fromMs !== undefined) rowsQuery = rowsQuery.where('at', '>=', query.fromMs);
    if (query.toMs !== undefined) rowsQuery = rowsQuery.where('at', '<=', query.toMs);
    if (query.after !== undefined) rowsQuery = rowsQuery.where('seq', order === 'asc' ? '>' : '<', query.after);
    const rows = await rowsQuery.execute();
    return rows.map(({ seq, alarm, at, kind, summary, data }) => {
      return { seq: Number(seq), alarm, atMs: at, kind: kind as AlarmHistoryKind, summary, data: JSON.parse(data) as unknown };
    });
  }

  /** Calls the listener at each change of state. Returns a function that unsubscribes. */
  onChange(listener: (change: AlarmChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Evaluates all alarms now, after a running evaluation ends. */
  poll(): Promise<void> {
    const done = this.#running.then(() => this.#checkAll());
    this.#running = done.catch(() => undefined);
    return done;
  }

  async #checkAll(): Promise<void> {
    const { store, clock, readExternal, onFailure } = this.#options;
    await readExternal?.(this).catch((error: unknown) => onFailure('default alarms', error));
    for (const alarm of this.list()) {
      if (alarm.queries.length === 0) continue; // a default alarm, evaluated elsewhere
      try {
        const values = await valuesOf(store, alarm, clock.wallMs());
        const { state, reason, datapoints } = withoutCapacity(store, alarm, evaluate(alarm.rule, values, alarm.state));
        this.#lastReasons.set(alarm.name, reason);
        // The alarm may have been deleted or replaced while its values were read.
        if (this.#alarms.get(alarm.name) !== alarm) continue;
        if (state !== alarm.state) await this.#enter(alarm, state, reason, datapoints);
        else {
          await this.#storeFirst(alarm, reason);
          await this.#repeat(alarm, datapoints[0] ?? null);
        }
      } catch (error) {
        onFailure(alarm.name, error);
      }
    }
    await this.#clear();
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

  /** Stores the reason of the first evaluation if it confirms the initial state: not a change, so no event. */
  async #storeFirst(before: Alarm, reason: string): Promise<void> {
    if (before.stateReason !== unchecked) return;
    const alarm = { ...before, stateReason: reason.slice(0, reasonMax) };
    await inTransaction(this.#options.db, (tx) => this.#write(tx, alarm));
    this.#alarms.set(alarm.name, alarm);
  }

  /** Runs repeating actions. Only failures are noted. */
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
    const note = (error: string | null) =>
      noteAction(db, { alarm: name, action, atMs: clock.wallMs(), error }).catch((cause: unknown) => this.#options.onFailure(name, cause));
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
      .where('at', '<', clock.wallMs() - historyRetentionMs)
      .execute();
  }
}

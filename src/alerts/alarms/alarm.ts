/** An alarm: a rule over a metric, its actions and its state. */
import type { MetricKey } from '../../metrics/index.ts';
import type { AlarmRule, AlarmState } from './evaluate.ts';

/** One series, or an expression over others. */
export interface AlarmQuery {
  readonly id: string;
  readonly metric: AlarmMetric | null;
  /** Metric math; null for a metric. */
  readonly expression: string | null;
  /** True for the query the alarm evaluates: exactly one of several. */
  readonly isWatched: boolean;
}

/** A metric and the statistic that is compared. */
export interface AlarmMetric {
  readonly metricKey: MetricKey;
  readonly name: string;
  readonly unit?: string | undefined;
  /** `Average`, `p99`. */
  readonly statistic: string;
}

/** What a user puts. Putting it again replaces it. */
export interface AlarmDefinition {
  readonly name: string;
  readonly description: string;
  readonly rule: AlarmRule;
  /** 10, 20, 30, or a multiple of 60. */
  readonly periodS: number;
  readonly queries: readonly AlarmQuery[];
  readonly actionsEnabled: boolean;
  /** ARNs and URLs, by the entered state. */
  readonly actions: Readonly<Record<AlarmState, readonly string[]>>;
  /** Members returned to the API that created the alarm, otherwise ignored. */
  readonly echo?: Readonly<Record<string, unknown>> | undefined;
}

/** A definition with its state. */
export interface Alarm extends AlarmDefinition {
  readonly state: AlarmState;
  readonly stateReason: string;
  /** When the state was entered, epoch milliseconds. */
  readonly stateSinceMs: number;
  readonly updatedAtMs: number;
}

/** A change of state, as actions and listeners get it. */
export interface AlarmChange {
  readonly alarm: Alarm;
  readonly before: AlarmState;
  /** The latest evaluated value; null if the state was set from outside. */
  readonly datapoint: number | null;
}

/** Kinds of notes, as CloudWatch names them. */
export type AlarmHistoryKind = 'StateUpdate' | 'ConfigurationUpdate' | 'Action';

/** An entry in the history of an alarm. */
export interface AlarmNote {
  readonly alarm: string;
  readonly atMs: number;
  readonly kind: AlarmHistoryKind;
  readonly summary: string;
  readonly data: unknown;
}

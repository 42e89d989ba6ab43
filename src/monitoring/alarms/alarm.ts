/** What an alarm is: a rule over a metric, what it does when its state changes, and what has become of it. */
import type { MetricPlace } from '../series/metric-group.ts';
import type { AlarmRule, AlarmState } from './evaluate.ts';

/** One series, or an expression over others. */
export interface AlarmQuery {
  readonly id: string;
  readonly metric: AlarmMetric | null;
  /** Metric math, where it is no metric. */
  readonly expression: string | null;
  /** The one that the alarm is about; of several queries exactly one is. */
  readonly isWatched: boolean;
}

export interface AlarmMetric {
  readonly place: MetricPlace;
  readonly name: string;
  readonly unit?: string | undefined;
  /** `Average`, `p99`. */
  readonly statistic: string;
}

export interface AlarmDefinition {
  readonly name: string;
  readonly description: string;
  readonly rule: AlarmRule;
  /** 10, 20, 30, or a multiple of 60. */
  readonly periodS: number;
  readonly queries: readonly AlarmQuery[];
  readonly actionsEnabled: boolean;
  /** ARNs and URLs, by the state that is entered. */
  readonly actions: Readonly<Record<AlarmState, readonly string[]>>;
  /** Members that only their maker understands. */
  readonly echo?: Readonly<Record<string, unknown>> | undefined;
}

export interface Alarm extends AlarmDefinition {
  readonly state: AlarmState;
  readonly stateReason: string;
  /** Epoch milliseconds; when the state was entered. */
  readonly stateSinceMs: number;
  readonly updatedAtMs: number;
}

export interface AlarmChange {
  readonly alarm: Alarm;
  readonly before: AlarmState;
  /** The latest value that was judged; null where somebody ruled otherwise. */
  readonly datapoint: number | null;
}

export type AlarmHistoryKind = 'StateUpdate' | 'ConfigurationUpdate' | 'Action';

export interface AlarmNote {
  readonly alarm: string;
  readonly atMs: number;
  readonly kind: AlarmHistoryKind;
  readonly summary: string;
  readonly data: unknown;
}

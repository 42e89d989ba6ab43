/** Audit, events and their rules, decisions, alarms, drift. */
import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

/** Append-only. Each record contains the hash of the one before it. */
export interface AuditTable {
  id: string;
  at: number;
  who: string;
  action: string;
  target: string;
  outcome: string;
  /** JSON. */
  detail: string;
  /** Starts at 1, without gaps. */
  number: number;
  /** JSON: the origin of the call; null for an action of the platform itself. */
  origin: string | null;
  /** The id of the first record of the same AWS call, or the record's own id. Only used for lookups, so it is not part of the hash. */
  call_id: string;
  /** Covers all columns above except `call_id`, and the previous hash. */
  hash: string;
}

/** A single row: the last record. */
export interface AuditHeadTable {
  id: number;
  number: number;
  hash: string;
}

/** A single row: the number of the last event. */
export interface EventHeadTable {
  id: number;
  seq: number;
}

/** An event. Its row never changes. */
export interface EventsTable {
  /** Increases in the order of commits, without gaps; see `EventHeadTable`. */
  seq: number;
  id: string;
  at: number;
  kind: string;
  subject: string;
  /** JSON. */
  detail: string;
}

/** A rule; its name is unique. */
export interface EventRulesTable {
  name: string;
  /** JSON. */
  document: string;
}

/** How far a consumer has read the events. */
export interface CursorsTable {
  name: string;
  seq: number;
}

/** A decision. Only `effect` is written later, once it was measured. */
export interface DecisionsTable {
  /** Assigned by the database: the order in which decisions were made, even if the clock was set back. */
  seq: Generated<number>;
  id: string;
  at: number;
  kind: 'batching' | 'host-set' | 'placement' | 'scaling' | 'selection' | 'training';
  /** Null, as the next one, for a decision about the cluster. SQLite, which has no cluster, does not allow it. */
  endpoint_key: string | null;
  endpoint: string | null;
  variant: string;
  trigger: string;
  /** Whether the decision changed anything. */
  changes: Flag;
  /** JSON. */
  inputs: string;
  /** JSON: an array. */
  alternatives: string;
  /** JSON. */
  chosen: string;
  reason: string;
  explanation: string;
  /** JSON: the effect of the decision; null until it is known. */
  effect: string | null;
}

/** An alarm, and the state it is in since `state_since`. */
export interface AlarmsTable {
  name: string;
  /** JSON. */
  definition: string;
  state: string;
  state_reason: string;
  state_since: number;
  updated_at: number;
}

/** What happened to an alarm. It stays when the alarm is deleted. */
export interface AlarmHistoryTable {
  seq: Generated<number>;
  alarm: string;
  at: number;
  kind: string;
  summary: string;
  /** JSON. */
  data: string;
}

/** The reference distribution of an endpoint's inputs. */
export interface DriftBaselinesTable {
  endpoint_key: string;
  /** JSON. */
  document: string;
  made_at: number;
}

/** The labels of calls. */
export interface CallLabelsTable {
  endpoint_key: string;
  inference_id: string;
  /** When the call was answered, epoch milliseconds: an id may be used again. */
  called_at: number;
  /** JSON: one per row. */
  labels: string;
}

/** Predictions, retained until labels arrive or they expire. */
export interface ObservedPredictionsTable {
  endpoint_key: string;
  inference_id: string;
  variant: string;
  at: number;
  rows: number;
  is_class: Flag;
  /** JSON. */
  predictions: string;
  labelled_at: number | null;
  hits: number | null;
  error_sum: number | null;
  /** The id of the request, which may be another than that of the inference. */
  request_id: string | null;
  /** The plan of a selection that answered; null without a selection. */
  plan: string | null;
  /** What another plan answers; null unless it was run in idle time. JSON: one value by row. */
  shadow_plan: string | null;
  shadow_predictions: string | null;
  shadow_hits: number | null;
  /** What it is compared with, if that is not what answered. JSON: one value by row. */
  shadow_against: string | null;
  /** Labelled rows on which only the other plan is right, or only what it is compared with. */
  shadow_better: number | null;
  shadow_worse: number | null;
  /** Whether the labels are those of a caller that may deploy. */
  label_trusted: Flag | null;
  /** The largest score of the row that is least sure. */
  score_min: number | null;
}

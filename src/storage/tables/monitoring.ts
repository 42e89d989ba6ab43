/** Audit, events and rules about them, decisions, alarms, drift. */
import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

export interface AuditTable {
  id: string;
  at: number;
  who: string;
  action: string;
  target: string;
  outcome: string;
  /** JSON. */
  detail: string;
  /** From 1, without a gap. */
  number: number;
  /** JSON: where the call came from; null where the platform did it by itself. */
  origin: string | null;
  /** The id of the first record of the same call of AWS's, of which all bear it; the own id where a record stands for itself. Not sealed: it only finds. */
  call_id: string;
  /** Of all the above but `call_id`, and the hash before. */
  hash: string;
}

/** One row: the last record. */
export interface AuditHeadTable {
  id: number;
  number: number;
  hash: string;
}

export interface EventsTable {
  /** Given by the database, rising. */
  seq: Generated<number>;
  id: string;
  at: number;
  kind: string;
  subject: string;
  /** JSON. */
  detail: string;
}

export interface EventRulesTable {
  name: string;
  /** JSON. */
  document: string;
}

/** How far somebody has read the events. */
export interface CursorsTable {
  name: string;
  seq: number;
}

export interface DecisionsTable {
  /** Given by the database, rising: in which order decisions were made, also where the clock was set back meanwhile. */
  seq: Generated<number>;
  id: string;
  at: number;
  kind: 'batching' | 'scaling';
  endpoint_key: string;
  endpoint: string;
  variant: string;
  trigger: string;
  /** Whether it made anything different. */
  changes: Flag;
  /** JSON. */
  inputs: string;
  /** JSON: an array. */
  alternatives: string;
  /** JSON. */
  chosen: string;
  reason: string;
  explanation: string;
  /** JSON: what came of it; null until that is known. */
  effect: string | null;
}

export interface AlarmsTable {
  name: string;
  /** JSON. */
  definition: string;
  state: string;
  state_reason: string;
  state_since: number;
  updated_at: number;
}

export interface AlarmHistoryTable {
  seq: Generated<number>;
  alarm: string;
  at: number;
  kind: string;
  summary: string;
  /** JSON. */
  data: string;
}

/** What the inputs of an endpoint usually look like. */
export interface DriftBaselinesTable {
  endpoint_key: string;
  /** JSON. */
  document: string;
  made_at: number;
}

/** What was predicted, until labels come or it grows old. */
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
}

/** What was counted, measured and logged. SQLite keeps it in a file of its own. */

/** When a server counted arrivals. */
export interface RecordedMinutesTable {
  /** When the minute began. */
  minute: number;
  /** 60 letters: 1 for each second that was counted, 0 for each that was not. */
  seconds: string;
}

/** Floats that are whole, as of `hourly_costs`; no row where nobody came. */
export interface MinuteArrivalsTable {
  endpoint_key: string;
  minute: number;
  variant: string;
  requests: number;
  rows: number;
}

export interface SecondArrivalsTable {
  endpoint_key: string;
  minute: number;
  variant: string;
  /** JSON: `[second, requests, rows]` of each second in which somebody came. */
  seconds: string;
}

/** Who measures, and what. */
export interface MetricGroupsTable {
  id: number;
  namespace: string;
  /** JSON: name to value. */
  dimensions: string;
  /** JSON: name and unit of each metric, in the order of their numbers. */
  metrics: string;
  last_at: number;
}

/** All that a group measured within a span, whose seconds stand in the name of the table. */
export interface MetricRowsTable {
  group_id: number;
  /** Epoch seconds of its beginning. */
  at: number;
  data: Uint8Array;
}

export interface LogGroupsTable {
  id: number;
  name: string;
  created_at: number;
  /** Null where only the size is bounded. */
  retention_days: number | null;
}

export interface LogStreamsTable {
  id: number;
  group_id: number;
  name: string;
  created_at: number;
  first_at: number | null;
  last_at: number | null;
  ingested_at: number | null;
  /** Of its events. */
  bytes: number;
}

export interface LogEventsTable {
  /** In the order in which they came. */
  seq: number;
  group_id: number;
  stream_id: number;
  at: number;
  ingested_at: number;
  bytes: number;
  message: string;
}

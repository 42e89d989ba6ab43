/** Counters, metrics and logs. SQLite stores them in a separate file. */

/** The seconds in which a server counted arrivals. */
export interface RecordedMinutesTable {
  /** Start of the minute in epoch milliseconds. */
  minute: number;
  /** 60 characters: 1 for each second that was counted, 0 for each that was not. */
  seconds: string;
}

/** Counts are integers stored as floats, as in `hourly_costs`. Minutes without arrivals have no row. */
export interface MinuteArrivalsTable {
  endpoint_key: string;
  minute: number;
  variant: string;
  requests: number;
  rows: number;
}

/** One row per variant and minute with arrivals. */
export interface SecondArrivalsTable {
  endpoint_key: string;
  minute: number;
  variant: string;
  /** JSON: `[second, requests, rows]` for each second with arrivals. */
  seconds: string;
}

/** A source of metrics (namespace and dimensions), with the metrics that it reports. */
export interface MetricGroupsTable {
  id: number;
  namespace: string;
  /** JSON: name to value. */
  dimensions: string;
  /** JSON: name and unit of each metric, in the order of their numbers. */
  metrics: string;
  last_at: number;
}

/** All values of a group within a time span, whose length in seconds is part of the table name. */
export interface MetricRowsTable {
  group_id: number;
  /** Start of the span in epoch seconds. */
  at: number;
  data: Uint8Array;
}

/** A log group, as CloudWatch Logs has them. */
export interface LogGroupsTable {
  id: number;
  name: string;
  created_at: number;
  /** Null if only the size is bounded. */
  retention_days: number | null;
}

/** A stream of a group. Its events are in `LogEventsTable`. */
export interface LogStreamsTable {
  id: number;
  group_id: number;
  name: string;
  created_at: number;
  first_at: number | null;
  last_at: number | null;
  ingested_at: number | null;
  /** Total size of its events. */
  bytes: number;
  /** How far the file has been read whose lines the stream holds; null for other streams. */
  source_offset: number | null;
}

/** One line. `at` is the time that its writer gave, `ingested_at` when it arrived; both in epoch milliseconds. */
export interface LogEventsTable {
  /** In order of arrival. */
  seq: number;
  group_id: number;
  stream_id: number;
  at: number;
  ingested_at: number;
  bytes: number;
  message: string;
}

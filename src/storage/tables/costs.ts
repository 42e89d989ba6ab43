/** The history of costs. */

/** What a variant used within an hour. All sums are floats, counts too: whole up to 2^53, and both databases add them alike. */
export interface HourlyCostsTable {
  /** When the hour began, and its day in UTC. */
  hour: number;
  day: number;
  endpoint_key: string;
  endpoint: string;
  variant: string;
  instance_seconds: number;
  instance_usd: number;
  provisioned_seconds: number;
  provisioned_usd: number;
  requests: number;
  failed_requests: number;
  receipts_usd: number;
  failed_runs_usd: number;
  function_usd: number;
  function_gb_seconds: number;
  invocations: number;
  cold_starts: number;
}

/** The history of costs. */

/**
 * The usage of a variant within an hour. All numbers are floats, including counts, which are exact up to 2^53: both databases add floats
 * identically.
 */
export interface HourlyCostsTable {
  /** Start of the hour in epoch milliseconds, and its day in UTC. */
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

/**
 * How many of the connections that a server accepts may have sent nothing. Pools of clients open thousands in advance, and a quarter is left
 * for clients that send requests.
 */
export function silentMaxOf(connectionsMax: number): number {
  return Math.ceil(0.75 * connectionsMax);
}

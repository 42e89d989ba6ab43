/** The limits of the HTTP listener. */

/** Bounds on what clients can make the server hold. */
export interface ListenerLimits {
  readonly bodyLimitBytes: number;
  /** Memory limit of all bodies together, without small ones. */
  readonly bodiesBytesMax: number;
  readonly connectionsMax: number;
  /** From the first byte to the end of the headers. */
  readonly headersTimeoutMs: number;
  /**
   * From the first byte to the end of the body. A response that the client does not read is dropped after one to two
   * times this limit.
   */
  readonly requestTimeoutMs: number;
  /** Lifetime of an idle connection. */
  readonly keepAliveMs: number;
  /** Time limit for requests in flight when the listener closes. */
  readonly closeMs: number;
}

/** Of a server whose settings say nothing else. */
export const defaultLimits: ListenerLimits = {
  bodyLimitBytes: 64 * 1024 * 1024,
  bodiesBytesMax: 1024 * 1024 * 1024,
  connectionsMax: 20_000,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 75_000,
  closeMs: 10_000,
};

/** The view that autoscaling has of an instance of a variant. */
export interface InstanceView {
  readonly id: string;
  /** `failed`: the provider has stopped restarting it for now. */
  readonly state: 'launching' | 'active' | 'draining' | 'failed';
  /** When the instance was requested, epoch milliseconds. */
  readonly startedAtMs: number;
  /** Null while it is not ready. */
  readonly readyAtMs: number | null;
  /** Restarts of its process. */
  readonly restarts: number;
  /** How its process last ended; null if it never did. */
  readonly reason: string | null;
}

/** An instance of a variant, as whoever decides on their number sees it. */
export interface InstanceView {
  readonly id: string;
  /** `failed`: its provider gave it up for now. */
  readonly state: 'launching' | 'active' | 'draining' | 'failed';
  /** Epoch milliseconds, when it was wished for. */
  readonly startedAtMs: number;
  /** null while it is not ready. */
  readonly readyAtMs: number | null;
  /** How often its process was started anew. */
  readonly restarts: number;
  /** How its process ended last; null where none did. */
  readonly reason: string | null;
}

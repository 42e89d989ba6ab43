/** One run of a request by whoever serves its endpoint, handed in: the doors know how bodies are read and answers written. */
export interface InferenceOrder {
  readonly endpoint: string;
  readonly requestId: string;
  readonly contentType: string | null;
  readonly accept: string | null;
  readonly customAttributes: string | null;
  readonly inferenceId: string;
  readonly body: Buffer;
  /** In place of the body, which is then empty: for who takes files. */
  readonly files?: { readonly paths: readonly string[]; readonly bytes: number };
  readonly timeoutMs: number;
  /** Nobody waits for it any more. */
  readonly signal: AbortSignal;
}

export interface InferenceAnswer {
  readonly contentType: string;
  /** In pieces where it is made while it is read; they end with an error where that fails. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly variant: string;
}

/** Rejects with a `PlatformError`. */
export type RunInference = (order: InferenceOrder) => Promise<InferenceAnswer>;

/** Who can work on an endpoint's requests now. */
export interface Capacity {
  readonly endpoint: string;
  readonly variants: readonly string[];
  /** That take requests now, or would be started for one. */
  readonly executors: number;
  /** Of those, the ones that are there. */
  readonly instances: number;
  /** The most rows that go together. */
  readonly batchRows: number;
  /** A body may be handed over as files, whatever its size. */
  readonly takesFiles: boolean;
  /** So many requests at once for each, where somebody said so. */
  readonly concurrency: number | null;
}

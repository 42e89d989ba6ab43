/** Input of one inference. The implementation is injected, because decoding bodies and encoding responses belongs to the APIs. */
export interface InferenceInput {
  readonly endpoint: string;
  readonly requestId: string;
  readonly contentType: string | null;
  readonly accept: string | null;
  readonly customAttributes: string | null;
  readonly inferenceId: string;
  readonly body: Buffer;
  /** Files that replace the body, which is then empty. Only for models that accept files. */
  readonly files?: { readonly paths: readonly string[]; readonly bytes: number };
  readonly timeoutMs: number;
  /** Aborted when the result is no longer needed. */
  readonly signal: AbortSignal;
}

/** The response of a model, as it will be stored. */
export interface InferenceOutput {
  readonly contentType: string;
  /** An iterable if the response is streamed; it throws if the model or the stream fails. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly variant: string;
}

/** Rejects with a `PlatformError`. */
export type RunInference = (order: InferenceInput) => Promise<InferenceOutput>;

/** Current capacity of an endpoint. */
export interface Capacity {
  readonly endpoint: string;
  readonly variants: readonly string[];
  /** Executors that accept requests now or would be started for one. */
  readonly executors: number;
  /** Running instances among them. */
  readonly instances: number;
  /** Maximum batch size in rows. */
  readonly batchRows: number;
  /** Whether bodies can be passed as files, at any size. */
  readonly acceptsFiles: boolean;
  /** Configured concurrent requests per executor; null: derived from the batch size. */
  readonly concurrency: number | null;
}

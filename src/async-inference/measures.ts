/** What asynchronous requests measure, with SageMaker's names and units. */
import { type MetricStore, placeOfVariant, sagemakerNamespace } from '../monitoring/index.ts';
import type { AsyncRequest } from './async-request.ts';

export interface AsyncMeasuresOptions {
  readonly series: Pick<MetricStore, 'feed'>;
  /** Who serves an endpoint first; what nobody answered is counted there. */
  readonly variantOf: (endpoint: string) => string;
}

/** What a run costs in time, newest last: what comes next is expected to cost as much. */
const recentWeight = 0.1;

export class AsyncMeasures {
  readonly #options: AsyncMeasuresOptions;
  /** By endpoint in lower case: how long a request is worked on, an exponential mean in milliseconds. */
  readonly #workMs = new Map<string, number>();

  constructor(options: AsyncMeasuresOptions) {
    this.#options = options;
  }

  /** How long a request of the endpoint is worked on at present; null where none was. */
  workMs(endpoint: string): number | null {
    return this.#workMs.get(endpoint.toLowerCase()) ?? null;
  }

  succeeded(request: AsyncRequest, variant: string, writeMs: number): void {
    this.#add(request, 'InvocationsProcessed', 'Count', 1, variant);
    this.#add(request, 'ResponseUploadLatency', 'Microseconds', writeMs * 1000, variant);
    this.#add(request, 'InvocationFailures', 'Count', 0, variant);
  }

  failed(request: AsyncRequest): void {
    this.#add(request, 'InvocationsProcessed', 'Count', 1);
    this.#add(request, 'InvocationFailures', 'Count', 1);
  }

  expired(request: AsyncRequest): void {
    this.#add(request, 'ExpiredRequests', 'Count', 1);
  }

  downloaded(request: AsyncRequest, ms: number): void {
    this.#add(request, 'RequestDownloadLatency', 'Microseconds', ms * 1000);
    this.#add(request, 'RequestDownloadFailures', 'Count', 0);
  }

  downloadFailed(request: AsyncRequest): void {
    this.#add(request, 'RequestDownloadFailures', 'Count', 1);
  }

  uploadFailed(request: AsyncRequest, variant: string): void {
    this.#add(request, 'ResponseUploadFailures', 'Count', 1, variant);
  }

  untold(request: AsyncRequest): void {
    this.#add(request, 'NotificationFailures', 'Count', 1);
  }

  /** It was worked on, with whatever end. */
  worked(request: AsyncRequest, startedAtMs: number, endedAtMs: number): void {
    const ms = Math.max(endedAtMs - startedAtMs, 0);
    this.#add(request, 'TimeInBacklog', 'Milliseconds', Math.max(startedAtMs - request.createdAtMs, 0));
    this.#add(request, 'TotalProcessingTime', 'Milliseconds', Math.max(endedAtMs - request.createdAtMs, 0));
    const key = request.endpoint.toLowerCase();
    const before = this.#workMs.get(key) ?? ms;
    this.#workMs.set(key, before + recentWeight * (ms - before));
  }

  #add({ endpoint }: AsyncRequest, name: string, unit: string, value: number, variant = this.#options.variantOf(endpoint)): void {
    this.#options.series.feed(placeOfVariant(sagemakerNamespace, endpoint, variant), { name, unit }).add(value);
  }
}

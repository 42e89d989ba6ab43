/** Metrics of asynchronous requests, with SageMaker's names and units. */

import { type MetricStore, sagemakerNamespace, variantMetricKey } from '../metrics/index.ts';
import { nameKey } from '../names.ts';
import type { AsyncRequest } from './async-request.ts';

/** Where metrics go. */
export interface AsyncMeasuresOptions {
  readonly series: Pick<MetricStore, 'feed'>;
  /** The first variant of an endpoint. Requests that reached no variant are counted there. */
  readonly variantOf: (endpoint: string) => string;
}

/** Weight of the newest processing time in the exponential mean. */
const recentWeight = 0.1;

/** Also estimates the work per request, from which the scaling of a backlog follows. */
export class AsyncMeasures {
  readonly #options: AsyncMeasuresOptions;
  /** Exponential mean of the processing time in ms, by endpoint in lower case. */
  readonly #workMs = new Map<string, number>();

  constructor(options: AsyncMeasuresOptions) {
    this.#options = options;
  }

  /** Recent processing time of a request in ms; null if no request was processed yet. */
  workMs(endpoint: string): number | null {
    return this.#workMs.get(nameKey(endpoint)) ?? null;
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

  unreported(request: AsyncRequest): void {
    this.#add(request, 'NotificationFailures', 'Count', 1);
  }

  /** Records a finished attempt, successful or not. */
  worked(request: AsyncRequest, startedAtMs: number, endedAtMs: number): void {
    const ms = Math.max(endedAtMs - startedAtMs, 0);
    this.#add(request, 'TimeInBacklog', 'Milliseconds', Math.max(startedAtMs - request.createdAtMs, 0));
    this.#add(request, 'TotalProcessingTime', 'Milliseconds', Math.max(endedAtMs - request.createdAtMs, 0));
    const key = nameKey(request.endpoint);
    const before = this.#workMs.get(key) ?? ms;
    this.#workMs.set(key, before + recentWeight * (ms - before));
  }

  #add({ endpoint }: AsyncRequest, name: string, unit: string, value: number, variant = this.#options.variantOf(endpoint)): void {
    this.#options.series.feed(variantMetricKey(sagemakerNamespace, endpoint, variant), { name, unit }).add(value);
  }
}

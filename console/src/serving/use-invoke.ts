/** Invokes an endpoint in requests of up to 500 rows, and returns predictions with a receipt per row. */
import type { PredictionsBody, ReceiptBody } from '../../../src/api/index.ts';
import { callForText, path } from '../api/client.ts';
import type { RawPrediction } from './answers/answers.ts';

export interface InvokedRows {
  readonly predictions: readonly RawPrediction[];
  /** One per row: the receipt of the part that contained it. */
  readonly receipts: readonly (ReceiptBody | null)[];
  readonly modelVersion: string;
  /** Server-side duration, summed over all requests. */
  readonly totalMs: number;
  readonly costUsd: number;
  /** Number of model requests: the server splits large requests. */
  readonly parts: number;
  /** Rows of the largest batch that contained one of the parts. */
  readonly batchRowsMax: number;
  /** ID of the last request, for its explanation. */
  readonly requestId: string | null;
}

const rowsAtOnce = 500;

export async function invokeRows(
  endpoint: string,
  instances: readonly unknown[],
  onProgress?: (done: number) => void,
): Promise<InvokedRows> {
  const pieces: InvokedRows[] = [];
  for (let start = 0; start < instances.length; start += rowsAtOnce) {
    pieces.push(await invokePiece(endpoint, instances.slice(start, start + rowsAtOnce)));
    onProgress?.(Math.min(instances.length, start + rowsAtOnce));
  }
  const last = pieces.at(-1);
  return {
    predictions: pieces.flatMap(({ predictions }) => predictions),
    receipts: pieces.flatMap(({ receipts }) => receipts),
    modelVersion: last?.modelVersion ?? '',
    totalMs: pieces.reduce((sum, { totalMs }) => sum + totalMs, 0),
    costUsd: pieces.reduce((sum, { costUsd }) => sum + costUsd, 0),
    parts: pieces.reduce((sum, { parts }) => sum + parts, 0),
    batchRowsMax: Math.max(0, ...pieces.map(({ batchRowsMax }) => batchRowsMax)),
    requestId: last?.requestId ?? null,
  };
}

async function invokePiece(endpoint: string, instances: readonly unknown[]): Promise<InvokedRows> {
  const { text, headers } = await callForText('POST', path('/endpoints/:endpoint/invoke', { endpoint }), {
    query: { timings: true },
    body: { instances },
  });
  const { predictions, model_version: modelVersion, timings } = JSON.parse(text) as PredictionsBody;
  const receipts = (timings?.receipts ?? []).flatMap((receipt) => Array.from({ length: receipt.rows }, () => receipt));
  return {
    predictions,
    receipts: predictions.map((_, index) => receipts[index] ?? null),
    modelVersion,
    totalMs: timings?.total_ms ?? 0,
    costUsd: timings?.cost_usd ?? 0,
    parts: timings?.parts ?? 1,
    batchRowsMax: Math.max(0, ...(timings?.receipts ?? []).map(({ batch_rows: rows }) => rows)),
    requestId: headers.get('x-request-id'),
  };
}

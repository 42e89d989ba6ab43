/** Captured calls are joined with their labels, the newest first, and only those of the call itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallLabels } from '../labels/label-rows.ts';
import { captureDefault } from './capture-config.ts';
import { type CapturedCall, captureFolder, captureLine } from './capture-line.ts';
import { labelledCalls } from './labelled-calls.ts';

const minuteMs = 60_000;
const firstMs = Date.UTC(2026, 10, 24, 7, 0, 1, 500);

const callAt = (atMs: number, id: string, more: Partial<CapturedCall> = {}): CapturedCall => ({
  endpoint: 'e',
  variant: 'v',
  eventId: 'request',
  inferenceId: id,
  atMs,
  input: { contentType: 'text/csv', body: id },
  output: null,
  capture: captureDefault,
  ...more,
});

/** Capture files as a server writes them, one per call. */
function filesOf(calls: readonly CapturedCall[]) {
  const files = new Map(calls.map((call, at) => [`${captureFolder(call).folder}/${String(at).padStart(4, '0')}.jsonl`, captureLine(call)]));
  return {
    list: async (_bucket: string, prefix: string, after: string | null) =>
      [...files.keys()].sort().filter((key) => key.startsWith(prefix) && (after === null || key > after)),
    read: async (_bucket: string, key: string) => Buffer.from(`broken\n${files.get(key)}`),
  };
}

async function read(calls: readonly CapturedCall[], labelled: readonly CallLabels[], fromMs: number, toMs: number): Promise<string[]> {
  const labelsOf = async (ids: readonly string[]) => labelled.filter(({ inferenceId }) => ids.includes(inferenceId));
  const found: string[] = [];
  for await (const { body, labels, variant } of labelledCalls(
    filesOf(calls),
    { bucket: 'b', prefix: '', endpoint: 'e', fromMs, toMs },
    labelsOf,
  ))
    found.push(`${variant} ${body.toString()} ${labels.join()}`);
  return found;
}

test('calls of all variants within the span are joined by id, the newest file first', async () => {
  const calls = Array.from({ length: 130 }, (_, at) => callAt(firstMs + at * minuteMs, `i${at}`, { variant: at % 2 === 0 ? 'a' : 'b' }));
  const labelled = [1, 58, 61, 62, 129].map((at) => ({ inferenceId: `i${at}`, calledAtMs: firstMs + at * minuteMs, labels: [at, 'x'] }));
  assert.deepEqual(await read([...calls, callAt(firstMs, 'other', { endpoint: 'e2' })], labelled, firstMs + 2 * minuteMs, firstMs + 1e8), [
    'b i129 129,x',
    'a i62 62,x',
    'b i61 61,x',
    'a i58 58,x',
  ]);
  assert.deepEqual(await read(calls, labelled, firstMs + 60 * minuteMs, firstMs + 62 * minuteMs - 1000), ['b i61 61,x']);
});

test('a call without an inference id has the labels of its request; one with a used id only its own', async () => {
  const calls = [
    callAt(firstMs, 'i', { inferenceId: null, input: { contentType: 'text/csv', body: 'by request' } }),
    callAt(firstMs + minuteMs, 'again', { input: { contentType: 'text/csv', body: 'old' } }),
    callAt(firstMs + 2 * minuteMs, 'again', { input: { contentType: 'text/csv', body: 'new' } }),
    callAt(firstMs, 'unlabelled'),
    callAt(firstMs, 'outputs only', { capture: { ...captureDefault, inputs: false } }),
  ];
  const labelled = [
    { inferenceId: 'request', calledAtMs: firstMs, labels: [1] },
    { inferenceId: 'again', calledAtMs: firstMs + 2 * minuteMs, labels: [2] },
    { inferenceId: 'outputs only', calledAtMs: firstMs, labels: [3] },
  ];
  assert.deepEqual((await read(calls, labelled, 0 + firstMs - minuteMs, firstMs + 1e7)).toSorted(), ['v by request 1', 'v new 2']);
});

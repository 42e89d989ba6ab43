/** Entry point of a thread that parses and formats CSV. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { csvFloats, predictionsCsvBytes, writePredictionsCsv } from '../../../codecs/index.ts';
import { messageOf } from '../../../errors.ts';
import type { CsvRequest, CsvThreadResult } from './csv-queue.ts';
import type { CsvThreadRequest, CsvThreadResponse } from './csv-threads.ts';

assert(parentPort !== null, 'this file must run as a worker thread');
const port = parentPort;

port.on('message', ({ id, ...order }: CsvThreadRequest) => {
  let answer: CsvThreadResponse;
  try {
    answer = { id, done: done(order) };
  } catch (error) {
    answer = { id, error: messageOf(error) };
  }
  port.postMessage(answer);
});

function done(request: CsvRequest): CsvThreadResult {
  if (request.kind === 'read') return csvFloats(request.bytes, request.width, request.rows, request.into) !== null;
  if (request.into !== null) return writePredictionsCsv(request.outputs, request.rows, request.into);
  // TextDecoder rejects shared memory, so text outputs are copied first.
  const own = request.outputs.map((output) => ({ ...output, data: new Uint8Array(output.data) }));
  return predictionsCsvBytes(own, request.rows);
}

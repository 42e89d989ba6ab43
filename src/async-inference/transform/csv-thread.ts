/** The main of a thread that reads numbers from CSV and writes them as CSV. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { csvFloats, predictionsCsvBytes, writePredictionsCsv } from '../../codecs/index.ts';
import { messageOf } from '../../errors.ts';
import type { CsvAnswer, CsvQuestion } from './csv-beside.ts';
import type { CsvDone, CsvOrder } from './csv-desk.ts';

assert(parentPort !== null, 'this file is the main of a thread');
const port = parentPort;

port.on('message', ({ id, ...order }: CsvQuestion) => {
  let answer: CsvAnswer;
  try {
    answer = { id, done: done(order) };
  } catch (error) {
    answer = { id, error: messageOf(error) };
  }
  port.postMessage(answer);
});

function done(order: CsvOrder): CsvDone {
  if (order.kind === 'read') return csvFloats(order.bytes, order.width, order.rows, order.into) !== null;
  if (order.into !== null) return writePredictionsCsv(order.outputs, order.rows, order.into);
  // Text cannot be decoded where it lies, in shared memory.
  const own = order.outputs.map((output) => ({ ...output, data: new Uint8Array(output.data) }));
  return predictionsCsvBytes(own, order.rows);
}

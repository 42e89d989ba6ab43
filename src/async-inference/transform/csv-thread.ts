/** The main of the thread that reads numbers from CSV and writes them as CSV. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { csvFloats, predictionsCsvBytes } from '../../codecs/index.ts';
import { messageOf } from '../../errors.ts';
import type { CsvAnswer, CsvOrder } from './csv-beside.ts';

assert(parentPort !== null, 'this file is the main of a thread');
const port = parentPort;

port.on('message', (order: CsvOrder) => {
  let answer: CsvAnswer;
  try {
    answer = { id: order.id, result: resultOf(order) };
  } catch (error) {
    answer = { id: order.id, error: messageOf(error) };
  }
  const handedOver = 'result' in answer && answer.result !== null ? [answer.result.buffer as ArrayBuffer] : [];
  port.postMessage(answer, handedOver);
});

function resultOf(order: CsvOrder): Float32Array | Uint8Array | null {
  if (order.kind === 'read') return csvFloats(order.bytes, order.width, order.rows);
  const text = predictionsCsvBytes(order.outputs, order.rows);
  // A short one lies in memory that others use too, which cannot be handed over.
  return text.byteLength === text.buffer.byteLength ? text : new Uint8Array(text);
}

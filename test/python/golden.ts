/** Frames as the server sends them, with what they contain: the Python worker must read them, and write the same bytes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kinds, messageFrame, sharedFrame } from '../../src/runtime/link/frames.ts';
import { payloadFrame } from '../../src/runtime/link/payload.ts';
import { sharedBytesMax } from '../../src/runtime/link/shared-memory.ts';
import { type IndexedTensor, ranFrame, runFrame, setTimings } from '../../src/runtime/link/tensor-frames.ts';
import { type Datatype, datatypes, elementCount, encodeStrings } from '../../src/tensor.ts';
import { goldenPlans } from './golden-plans.ts';

interface GoldenFrame {
  readonly what: string;
  readonly frame: string;
  readonly tensors?: readonly { index: number; datatype: Datatype; shape: readonly number[]; data: string }[];
  readonly [fact: string]: unknown;
}

const base64 = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('base64');

function numbers(datatype: Exclude<Datatype, 'BYTES'>, shape: readonly number[], index = 0): IndexedTensor {
  const bytes = elementCount(shape) * datatypes[datatype].bytes;
  const data = new Uint8Array(bytes).map((_, i) => (datatype === 'BOOL' ? i % 2 : (i * 37 + 11) % 251));
  return { index, datatype, shape, parts: [data.subarray(0, bytes >> 1), data.subarray(bytes >> 1)] };
}

function texts(shape: readonly number[], elements: readonly string[], index = 0): IndexedTensor {
  return { index, datatype: 'BYTES', shape, parts: [encodeStrings(elements)] };
}

function runOf(what: string, tensors: readonly IndexedTensor[], call = 7, plan = 0): GoldenFrame {
  return {
    what,
    frame: base64(runFrame(call, tensors, plan)),
    call,
    plan,
    tensors: tensors.map(({ index, datatype, shape, parts }) => ({ index, datatype, shape, data: base64(parts) })),
  };
}

function runs(): GoldenFrame[] {
  const numeric = (Object.keys(datatypes) as Datatype[]).filter((name): name is Exclude<Datatype, 'BYTES'> => name !== 'BYTES');
  const shapes = [[], [0, 4], [3], [2, 5], [2, 1, 3, 1, 2]];
  return [
    ...numeric.flatMap((datatype) => shapes.map((shape) => runOf(`${datatype} [${shape.join()}]`, [numbers(datatype, shape)]))),
    ...[1, 9_000].map((rows) =>
      runOf(
        `every datatype in one frame, ${rows} rows`,
        numeric.map((name, i) => numbers(name, [rows], i)),
      ),
    ),
    runOf('strings', [texts([4], ['', 'abc', 'Grüße 🙂', '\0'])]),
    runOf('a scalar string', [texts([], ['x'])]),
    runOf('no strings', [texts([0], [])]),
    runOf('strings of rank 5', [texts([1, 2, 1, 1, 2], ['a', '', 'c', 'd'])]),
    runOf('a string of 1 MiB', [texts([2], ['x'.repeat(2 ** 20), ''])]),
    runOf('no tensors', []),
    runOf('the last call number', [numbers('FP32', [1])], 2 ** 32 - 1),
    ...[1, 255].map((plan) => runOf(`plan ${plan}`, [numbers('FP32', [1])], 7, plan)),
  ];
}

function ran(): GoldenFrame {
  const timings = { inMs: 0.25, runMs: 12.5, outMs: 1 / 3 };
  const tensors = [numbers('FP64', [2, 3]), texts([2], ['a', 'b'], 1)];
  const frame = ranFrame(9, tensors);
  setTimings(frame, timings);
  return { ...runOf('', tensors, 9), what: 'the result of a run', frame: base64(frame), timings: Object.values(timings) };
}

/** Writes the frames to `folder`, and a file as the shared memory with two frames in its slots. */
export async function writeGoldenFrames(folder: string): Promise<void> {
  const message = { method: 'load', path: '/a/ü', threads: 2, python: { flavour: 'sklearn', entry: '' } };
  const body = Buffer.alloc(40_001, 'ab');
  const slots = [0, 1].map((slot) => runOf(`slot ${slot}`, [numbers('FP32', [9_000 + slot, 4])], 20 + slot));
  const memory = Buffer.alloc(2 * sharedBytesMax);
  for (const [slot, { frame }] of slots.entries()) memory.set(Buffer.from(frame, 'base64'), slot * sharedBytesMax);
  writeFileSync(join(folder, 'shared-memory'), memory);
  const golden = {
    runs: runs(),
    plans: await goldenPlans(),
    ran: ran(),
    message: { frame: base64([messageFrame(3, kinds.call, message)]), message },
    payloads: [Buffer.alloc(0), Buffer.from('body'), body].map((bytes) => ({
      frame: base64(payloadFrame(5, kinds.invoke, { headers: { accept: '*/*' } }, bytes)),
      body: bytes.toString('base64'),
    })),
    shared: slots.map(({ frame, ...slot }, index) => ({
      ...slot,
      frame: base64([sharedFrame(20 + index, index, Buffer.byteLength(frame, 'base64'))]),
    })),
  };
  writeFileSync(join(folder, 'golden.json'), JSON.stringify(golden));
}

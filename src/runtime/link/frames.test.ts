import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../../errors.ts';
import { type Datatype, datatypes, elementsOf, type Tensor, type TensorSpec } from '../../tensor.ts';
import { errorOf, type Frame, FrameReader, kinds, messageFrame, type WireFailure } from './frames.ts';
import { ranFrame, readTensors, readTimings, runFrame, setTimings, type TensorParts } from './tensor-frames.ts';

const numeric = (Object.keys(datatypes) as Datatype[]).filter((name): name is Exclude<Datatype, 'BYTES'> => name !== 'BYTES');

/** Tensors of random datatype, shape and bytes, in one to four parts, at any alignment. */
const tensorParts: fc.Arbitrary<TensorParts> = fc
  .record({
    datatype: fc.constantFrom(...numeric),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
    shift: fc.integer({ min: 0, max: 7 }),
    seed: fc.integer({ min: 1, max: 255 }),
  })
  .map(({ datatype, shape, cuts, shift, seed }) => {
    const bytes = shape.reduce((product, size) => product * size, 1) * datatypes[datatype].bytes;
    const data = new Uint8Array(new ArrayBuffer(bytes + 8), shift, bytes).map((_, index) => (index * seed) % 251);
    const ends = [...cuts.map((cut) => Math.floor(cut * bytes)).sort((a, b) => a - b), bytes];
    return { name: '', datatype, shape, parts: ends.map((end, index) => data.subarray(ends[index - 1] ?? 0, end)) };
  });

const named = fc.array(tensorParts, { maxLength: 5 }).map((all) => all.map((tensor, index) => ({ ...tensor, name: `t${index}`, index })));

function specsOf(tensors: readonly TensorParts[]): TensorSpec[] {
  return tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
}

function whole({ name, datatype, shape, parts }: TensorParts): Tensor {
  return { name, datatype, shape, data: new Uint8Array(Buffer.concat(parts)) };
}

/** Sends the stream in chunks of the given sizes, repeatedly. */
function readInChunks(stream: Buffer, sizes: readonly number[]): Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader((frame) => frames.push(frame));
  for (let offset = 0, turn = 0; offset < stream.length; turn++) {
    const end = offset + (sizes[turn % sizes.length] as number);
    reader.push(Buffer.from(stream.subarray(offset, end))); // a copy, as from a socket
    offset = end;
  }
  return frames;
}

test('tensors round-trip through frames, for any chunks of the stream', () => {
  fc.assert(
    fc.property(
      fc.array(named, { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
      (runs, sizes) => {
        const stream = Buffer.concat(runs.flatMap((tensors, call) => runFrame(call, tensors)));
        const frames = readInChunks(stream, sizes);
        assert.deepEqual(
          frames.map((frame) => frame.call),
          runs.map((_, call) => call),
        );
        for (const [call, frame] of frames.entries()) {
          const tensors = runs[call] as (typeof runs)[number];
          assert.deepEqual(readTensors(frame, specsOf(tensors)), tensors.map(whole));
        }
      },
    ),
  );
});

test('a large frame is the same in one write or in several', () => {
  const tensor = {
    name: 'x',
    index: 0,
    datatype: 'UINT8' as const,
    shape: [40_001],
    parts: [new Uint8Array(40_000).fill(7), new Uint8Array([9])],
  };
  const chunks = runFrame(5, [tensor]);
  assert(chunks.length > 1);
  const [frame] = readInChunks(Buffer.concat(chunks), [65_536]);
  assert.deepEqual(readTensors(frame as Frame, specsOf([tensor])), [whole(tensor)]);
});

test('data that arrives in one chunk is aligned, so a view suffices', () => {
  const parts = [new Uint8Array(8)];
  const tensors = [
    { name: 'a', index: 0, datatype: 'BOOL' as const, shape: [3], parts: [new Uint8Array(3)] },
    { name: 'b', index: 1, datatype: 'INT64' as const, shape: [1], parts },
  ];
  const [frame] = readInChunks(Buffer.concat(runFrame(1, tensors)), [65_536]);
  const [, second] = readTensors(frame as Frame, specsOf(tensors));
  assert.equal(elementsOf('INT64', (second as Tensor).data).buffer, (frame as Frame).bytes.buffer);
});

test('padding is zero, so that no memory of the server reaches a worker', () => {
  const tensor = { index: 0, datatype: 'UINT8' as const, shape: [3], parts: [new Uint8Array([1, 2, 3])] };
  for (let turn = 0; turn < 50; turn++) {
    const previous = Buffer.allocUnsafe(40).fill(0xff);
    assert.equal(previous.length, 40);
    const [frame] = runFrame(1, [tensor]) as [Buffer];
    assert.deepEqual([...frame.subarray(28, 32), ...frame.subarray(35, 40)], Array(9).fill(0));
  }
});

test('timings are part of the result', () => {
  const answer = ranFrame(3, []);
  setTimings(answer, { inMs: 0.25, runMs: 1.5, outMs: 0.125 });
  const [frame] = readInChunks(Buffer.concat(answer), [10]);
  assert.deepEqual(readTimings(frame as Frame), { inMs: 0.25, runMs: 1.5, outMs: 0.125 });
});

test('a message round-trips with any characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const [frame] = readInChunks(messageFrame(1, kinds.answer, { text }), [7]);
      assert.deepEqual(frame?.message, { text });
    }),
  );
});

test('bytes that are not a frame are rejected at once, instead of waiting for a bogus length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 400 }), (bytes) => {
      const reader = new FrameReader((frame) => readTensors(frame, []), 4096);
      try {
        reader.push(Buffer.from(bytes));
      } catch (error) {
        assert(error instanceof PlatformError || error instanceof SyntaxError, String(error));
        return;
      }
      // Not rejected yet, so its first word must be a possible length.
      assert(Buffer.from(bytes).readUInt32LE(0) <= 4096);
    }),
  );
  assert.throws(
    () => new FrameReader(() => undefined, 1024).push(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')),
    /malformed: its length/,
  );
});

test('a tensor that exceeds its frame is rejected', () => {
  const tensor = { name: 'x', index: 0, datatype: 'FP32' as const, shape: [2], parts: [new Uint8Array(8)] };
  const [bytes] = runFrame(1, [tensor]);
  (bytes as Buffer).writeUInt32LE(9_000, 20); // its byte length
  const [frame] = readInChunks(bytes as Buffer, [1_000]);
  assert.throws(() => readTensors(frame as Frame, specsOf([tensor])), /does not fit/);
});

test('the memory of chunks copied into a larger frame is released; a frame in one chunk is a view of it', () => {
  const whole = messageFrame(1, kinds.call, { text: 'x'.repeat(300_000) });
  const small = messageFrame(2, kinds.call, { text: 'y' });
  const stream = Buffer.concat([whole, small]);
  const chunks = [0, 100_000, 200_000].map((start) => {
    const chunk = Buffer.allocUnsafeSlow(Math.min(100_000, stream.length - start));
    stream.copy(chunk, 0, start);
    return chunk;
  });
  const last = Buffer.allocUnsafeSlow(stream.length - 300_000);
  stream.copy(last, 0, 300_000);
  const frames: Frame[] = [];
  const reader = new FrameReader((frame) => frames.push(frame));
  for (const chunk of [...chunks, last]) reader.push(chunk);
  assert.deepEqual(
    [...chunks, last].map(({ buffer }) => buffer.detached),
    [true, true, true, false],
  );
  assert.deepEqual(
    frames.map(({ message }) => message),
    [{ text: 'x'.repeat(300_000) }, { text: 'y' }],
  );
  assert.equal(frames[1]?.bytes.buffer, last.buffer);
});

test('only a caller error has the status that the model chose', () => {
  const statusOf = (failure: object): number | undefined => errorOf(failure as WireFailure).callerStatus;
  assert.equal(statusOf({ code: 'invalid_request', message: 'm', status: 404 }), 404);
  for (const status of [399, 500, 404.5, '404', null]) assert.equal(statusOf({ code: 'invalid_request', message: 'm', status }), undefined);
  assert.equal(statusOf({ code: 'model_failed', message: 'm', status: 404 }), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { headBytes, messageFrame, payloadFrame, readFrameBody } from '../../runtime/index.ts';
import { HostFrameReader } from './host-frame-reader.ts';
import { beatFrame, hostKinds, partHead } from './host-frames.ts';

/** The bytes of a frame as it is sent in parts of 40 bytes. */
function inParts(call: number, frame: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < frame.length; at += 40) {
    const part = frame.subarray(at, at + 40);
    parts.push(Buffer.concat([partHead(call, frame.length, part.length), part]));
  }
  return parts;
}

/** Cut at these places, each chunk in memory of its own, as a socket reads it. */
function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const ends = [...places, bytes.length];
  return ends.map((end, index) => {
    const chunk = bytes.subarray(ends[index - 1] ?? 0, end);
    const memory = Buffer.allocUnsafeSlow(chunk.length);
    chunk.copy(memory);
    return memory;
  });
}

test('frames are read wherever their bytes are cut, whole ones between the parts of others', () => {
  const sent = fc.array(fc.record({ bytes: fc.nat(200), isInParts: fc.boolean() }), { minLength: 1, maxLength: 8 });
  const cuts = fc.array(fc.nat(4000), { maxLength: 20 });
  fc.assert(
    fc.property(sent, cuts, fc.infiniteStream(fc.nat(7)), (frames, places, turns) => {
      const queues = frames.map(({ bytes, isInParts }, call) => {
        const frame = Buffer.concat(payloadFrame(call, hostKinds.piece, { call }, Buffer.alloc(bytes, call)));
        return isInParts ? inParts(call, frame) : [frame];
      });
      const stream: Buffer[] = [];
      for (let left = queues.filter(({ length }) => length > 0); left.length > 0; left = queues.filter(({ length }) => length > 0)) {
        const turn = left[(turns.next().value as number) % left.length] as Buffer[];
        stream.push(turn.shift() as Buffer, beatFrame());
      }
      const received = new Map<number, Buffer>();
      let beats = 0;
      const reader = new HostFrameReader((frame) => {
        if (frame.kind === hostKinds.beat) beats++;
        else received.set((frame.message as { readonly call: number }).call, readFrameBody(frame));
      });
      for (const chunk of chunksOf(Buffer.concat(stream), places)) reader.push(chunk);
      assert.equal(beats, stream.length / 2);
      assert.deepEqual(
        frames.map((_, call) => received.get(call)),
        frames.map(({ bytes }, call) => Buffer.alloc(bytes, call)),
      );
    }),
    { numRuns: 200 },
  );
});

test('a chunk that was copied is freed at once, one with frames that are used is not', () => {
  const reader = new HostFrameReader(() => undefined);
  const part = Buffer.concat([partHead(1, 64, 32), Buffer.alloc(32)]);
  const [copied, used] = [chunksOf(part, [])[0] as Buffer, chunksOf(messageFrame(2, hostKinds.line, { line: 'x' }), [])[0] as Buffer];
  const usedBytes = used.length;
  reader.push(copied);
  reader.push(used);
  assert.deepEqual([copied.length, used.length], [0, usedBytes]);
});

test('any bytes end in frames or in an error', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 6 }), (chunks) => {
      const reader = new HostFrameReader(({ bytes }) => assert(bytes.length >= headBytes));
      try {
        for (const chunk of chunks) reader.push(Buffer.from(chunk));
      } catch (error) {
        assert.match((error as Error).message, /malformed|JSON/);
      }
    }),
  );
});

import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { BlockingChannel } from './blocking-channel.ts';
import { kinds, messageFrame } from './link/frames.ts';

/** A file is read and written in sequence like a connection, and ends like one that was closed. */
let path: string;
before(() => {
  path = join(mkdtempSync(join(tmpdir(), 'penstock-channel-')), 'frames');
});
after(() => rmSync(join(path, '..'), { recursive: true }));

function receiveAll(bytes: Uint8Array): unknown[] {
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  try {
    const channel = new BlockingChannel(fd);
    const messages: unknown[] = [];
    for (let frame = channel.receive(); frame !== null; frame = channel.receive()) {
      assert.equal(frame.bytes.byteOffset % 8, 0, 'its tensors are aligned');
      messages.push(frame.message);
    }
    return messages;
  } finally {
    closeSync(fd);
  }
}

describe('a blocking channel', () => {
  test('receives frames of any size in their order', () => {
    const sizes = fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 70_000 }), fc.constant(300_000));
    fc.assert(
      fc.property(fc.array(sizes, { maxLength: 12 }), (lengths) => {
        const messages = lengths.map((length, i) => `${i}${'x'.repeat(length)}`);
        const frames = messages.map((message, i) => messageFrame(i, kinds.call, message));
        assert.deepEqual(receiveAll(Buffer.concat(frames)), messages);
      }),
      { numRuns: 60 },
    );
  });

  test('says that the connection was closed within a frame', () => {
    for (const length of [10, 200_000]) {
      const frame = messageFrame(1, kinds.call, 'x'.repeat(length));
      assert.throws(() => receiveAll(frame.subarray(0, -8)), /malformed: the connection was closed after \d+ bytes of it/);
    }
  });

  test('rejects a length that no frame has', () => {
    for (const length of [0, 8, 17, 2 ** 31]) {
      const head = Buffer.alloc(16);
      head.writeUInt32LE(length);
      assert.throws(() => receiveAll(head), /malformed: its length is/);
    }
  });

  test('sends all parts of a frame', () => {
    const fd = openSync(path, 'w');
    const channel = new BlockingChannel(fd);
    channel.send([Buffer.from('one')]);
    channel.send([Buffer.from('two'), Buffer.alloc(100_000, 'x'), Buffer.from('three')]);
    closeSync(fd);
    assert.equal(readFileSync(path, 'utf8'), `onetwo${'x'.repeat(100_000)}three`);
  });
});

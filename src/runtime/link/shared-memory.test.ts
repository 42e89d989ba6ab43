import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedMemory, sharedBytesMax } from './shared-memory.ts';

test('returns what was written, even after longer content', (t) => {
  const memory = SharedMemory.create('test');
  if (memory === null) return t.skip('no in-memory file system here');
  try {
    for (const content of ['a long frame of several', 'short']) {
      const bytes = Buffer.from(content);
      assert(memory.write(1, [bytes.subarray(0, 2), bytes.subarray(2)], bytes.length));
      assert.equal(memory.read(1, bytes.length).toString(), content);
    }
    assert.throws(() => memory.read(1, 100), /shorter than the frame/);
  } finally {
    memory.close();
  }
});

test('leaves frames that are too large to the socket', (t) => {
  const memory = SharedMemory.create('test');
  if (memory === null) return t.skip('no in-memory file system here');
  assert.equal(memory.write(0, [], sharedBytesMax + 1), false);
  memory.close();
});

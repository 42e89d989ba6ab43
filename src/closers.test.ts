import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Closers } from './closers.ts';

test('stops parts in reverse order, each once', async () => {
  const stopped: string[] = [];
  const closers = new Closers();
  const part = closers.add({ close: () => void stopped.push('first') });
  closers.push(
    async () => void stopped.push('second'),
    () => void stopped.push('third'),
  );
  await closers.close();
  await closers.close();
  assert.deepEqual(stopped, ['third', 'second', 'first']);
  part.close();
  assert.equal(stopped.length, 4);
});

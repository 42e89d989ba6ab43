import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { PartialObjects } from './partial-objects.ts';

const sha256 = 'a'.repeat(64);

test('a range is read once it is written, the last one when the object ends with it', async () => {
  const partial = new PartialObjects(new VirtualClock());
  partial.written(sha256, '/p', 250, 100);
  assert.equal((await partial.fileWith(sha256, 0, 100))?.path, '/p');
  const second = partial.fileWith(sha256, 100, 100);
  const last = partial.fileWith(sha256, 200, 100);
  partial.written(sha256, '/p', 250, 200);
  assert.deepEqual([(await second)?.path, (await second)?.size], ['/p', 250]);
  partial.written(sha256, '/p', 250, 250);
  assert.equal((await last)?.path, '/p');
});

test('a range that does not come within 5 s is refused; that of an object which ends is looked for elsewhere', async () => {
  const clock = new VirtualClock();
  const partial = new PartialObjects(clock);
  partial.written(sha256, '/p', 250, 100);
  const late = partial.fileWith(sha256, 200, 100);
  late.catch(() => undefined);
  clock.advance(5000);
  await assert.rejects(late, { code: 'unavailable', message: /no bytes at 200 yet/ });
  const ended = partial.fileWith(sha256, 200, 100);
  partial.end(sha256);
  assert.deepEqual([await ended, await partial.fileWith('b'.repeat(64), 0, 100)], [null, null]);
});

test('no more than 256 readers wait', async () => {
  const partial = new PartialObjects(new VirtualClock());
  partial.written(sha256, '/p', 250, 0);
  const waiting = Array.from({ length: 256 }, () => partial.fileWith(sha256, 0, 100));
  await assert.rejects(partial.fileWith(sha256, 0, 100), { code: 'unavailable' });
  partial.written(sha256, '/p', 250, 100);
  assert((await Promise.all(waiting)).every((file) => file?.path === '/p'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../../errors.ts';
import type { Blobs } from './blobs.ts';
import { missingObject } from './object-store.ts';
import { WatchedBlobs } from './watched-blobs.ts';

test('reports once that the store is away, with the reason, and once that it is back', async () => {
  let error: PlatformError | null = null;
  const changes: (string | null)[] = [];
  const answer = (): void => {
    if (error !== null) throw error;
  };
  const inner = {
    place: 's3://store',
    sizeOf: async () => answer(),
    list: async function* () {
      answer();
      yield { key: 'k' };
    },
  } as unknown as Blobs;
  const blobs = new WatchedBlobs(inner, (problem) => changes.push(problem));
  const listed = async (): Promise<number> => {
    let count = 0;
    for await (const _ of blobs.list('')) count++;
    return count;
  };
  assert.equal(await listed(), 1);
  error = new PlatformError('unavailable', 'cannot list: ECONNREFUSED');
  await assert.rejects(listed(), error);
  await assert.rejects(blobs.sizeOf('k'), error);
  assert.deepEqual([blobs.problem, changes], ['cannot list: ECONNREFUSED', ['cannot list: ECONNREFUSED']]);
  error = missingObject('a');
  await assert.rejects(blobs.sizeOf('k'), error);
  assert.equal(blobs.problem, 'cannot list: ECONNREFUSED', 'an object that is missing says nothing');
  error = null;
  await blobs.sizeOf('k');
  assert.deepEqual([blobs.problem, changes.at(-1)], [null, null]);
});

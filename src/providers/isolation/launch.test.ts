/** The limits in the command lines of workers. That they hold is tested with real processes in `isolation.test.ts`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CountedWith, workerProcessesMax } from './launch.ts';

const unlimited = Number.POSITIVE_INFINITY;

for (const { counted, max, threads, expected } of [
  { counted: 'own-user', max: unlimited, threads: 300, expected: 1024 },
  { counted: 'own-user', max: 500, threads: 300, expected: 500 },
  { counted: 'namespace', max: unlimited, threads: 300, expected: 1024 },
  { counted: 'namespace', max: 1500, threads: 300, expected: 750 },
  { counted: 'server-user', max: unlimited, threads: 300, expected: 1324 },
  { counted: 'server-user', max: 4096, threads: 300, expected: 1324 },
  { counted: 'server-user', max: 501, threads: 300, expected: 400 },
  { counted: 'server-user', max: 200, threads: 300, expected: 200 },
] satisfies readonly { counted: CountedWith; max: number; threads: number; expected: number }[]) {
  test(`of ${max} processes of the server, with ${threads} in use, a worker gets ${expected} if counted with ${counted}`, () => {
    assert.equal(workerProcessesMax(counted, { max, threads: () => threads }), expected);
  });
}

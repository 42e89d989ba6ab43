/** A stream of output that cannot go on ends; it never ends the server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { Training, TrainingJob, TrainingOutputPage } from '../../training/index.ts';
import type { RouteCall } from '../routing/route.ts';
import { Streams } from '../routing/streams.ts';
import { trainingLogRoute } from './training-logs.ts';

type Output = (after: string | null) => Promise<TrainingOutputPage>;

/** Follows the output of a running job. `head`: whether the stream was opened. */
function fixture(t: TestContext, output: Output) {
  const clock = new VirtualClock();
  const streams = new Streams(clock, () => ({}));
  t.after(() => streams.close());
  const job = { status: 'InProgress' } as TrainingJob;
  const training: Pick<Training, 'get' | 'find' | 'output'> = {
    get: () => Promise.resolve(job),
    find: () => Promise.resolve(job),
    output: (_name, { after = null }) => output(after),
  };
  const route = trainingLogRoute({ training: training as Training, clock }, streams);
  const body = new PassThrough();
  const opened = { head: false };
  const writeHead = (): void => {
    opened.head = true;
  };
  const response = Object.assign(body, { writeHead }) as unknown as ServerResponse;
  const call = { request: { headers: {} }, response, caller: { keyId: 'me', role: 'viewer' }, params: { job: 'a' } };
  const follow = (after?: string) =>
    route.handle({ ...call, query: { limit: 10, follow: true, after } } as unknown as RouteCall<unknown, unknown, unknown>);
  return { follow, body, opened };
}

test('a malformed position is rejected before the stream opens', async (t) => {
  const { follow, opened } = fixture(t, () => Promise.reject(new PlatformError('invalid_request', 'malformed')));
  await assert.rejects(async () => follow('garbage'), /malformed/);
  assert.equal(opened.head, false);
});

test('a stream ends if the output cannot be read, for example because the job was deleted', async (t) => {
  let reads = 0;
  const { follow, body } = fixture(t, () => {
    if (++reads === 1) return Promise.resolve({ lines: [], next: null });
    return Promise.reject(new PlatformError('not_found', 'there is no training job'));
  });
  const finished = once(body, 'finish');
  await follow();
  await finished;
});

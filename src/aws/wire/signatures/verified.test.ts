import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { send, sign } from '../../../../test/aws/signed-request.ts';
import { openAwsRouter } from '../../../../test/aws-router-fixture.ts';
import { until } from '../../../../test/end-to-end/poll.ts';

test('rejects a body found invalid before the service reads it', async () => {
  const router = await openAwsRouter({
    streams: [
      {
        name: 's3',
        async handle({ body }, response) {
          await until('the body was found invalid', () => body.errored !== null);
          response.end(await text(body));
        },
      },
    ],
  });
  try {
    const signed = sign(router.url, { key: router.key, service: 's3', method: 'PUT', path: '/bucket/key', body: 'signed' });
    const { status, body } = await send(router.url, { ...signed, body: Buffer.from('forged') });
    assert.equal(status, 400);
    assert.match(body, /<Code>XAmzContentSHA256Mismatch<\/Code>/);
  } finally {
    await router.close();
  }
});

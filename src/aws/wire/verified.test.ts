import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { send, sign } from '../../../test/aws/signed-request.ts';
import { openAwsDoor } from '../../../test/aws-door.ts';
import { until } from '../../../test/end-to-end/poll.ts';

test('a body that is found wrong before its service reads it is refused like any other', async () => {
  const door = await openAwsDoor({
    streams: [
      {
        name: 's3',
        async handle({ body }, response) {
          await until('the body was found wrong', () => body.errored !== null);
          response.end(await text(body));
        },
      },
    ],
  });
  try {
    const signed = sign(door.url, { key: door.key, service: 's3', method: 'PUT', path: '/bucket/key', body: 'signed' });
    const { status, body } = await send(door.url, { ...signed, body: Buffer.from('forged') });
    assert.equal(status, 400);
    assert.match(body, /<Code>XAmzContentSHA256Mismatch<\/Code>/);
  } finally {
    await door.close();
  }
});

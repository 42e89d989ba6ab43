import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { readSignature, type V2Signature } from './signature.ts';
import { stringToSignV2, verifyV2 } from './signature-v2.ts';

const nowS = 1_800_000_000;
const resource = { path: '/team/key', hostBucket: null };

function presigned(expires: number) {
  const query = (signature: string) =>
    new URLSearchParams({ AWSAccessKeyId: 'AKIAAAAAAAAAAAAAAAAA', Signature: signature, Expires: String(expires) }).toString();
  const request = (signature: string) => ({ method: 'GET', path: resource.path, query: query(signature), headers: { host: 'localhost' } });
  const unsigned = request(`${'A'.repeat(27)}=`);
  const toSign = stringToSignV2(unsigned, readSignature(unsigned) as V2Signature, resource);
  return request(createHmac('sha1', 'secret').update(toSign).digest('base64'));
}

const verify = (expires: number): void => {
  const request = presigned(expires);
  verifyV2(request, readSignature(request) as V2Signature, resource, 'secret', nowS * 1000);
};

test('accepts a presigned URL of Version 2 until it expires, and for at most a week', () => {
  for (const seconds of [0, 900, 7 * 86_400]) verify(nowS + seconds);
  assert.throws(() => verify(nowS - 1), { reason: 'expired' });
  for (const seconds of [8 * 86_400, 3650 * 86_400])
    assert.throws(() => verify(nowS + seconds), { reason: 'malformed', message: /less than a week/ });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectPlaceOf, parseObjectLocation } from './object-location.ts';

for (const [text, expected] of [
  [null, { kind: 'folder' }],
  ['postgres', { kind: 'postgres' }],
  ['s3://models', { kind: 's3', bucket: 'models', prefix: '', endpoint: null, region: null }],
  ['s3://models/prod/a', { kind: 's3', bucket: 'models', prefix: 'prod/a', endpoint: null, region: null }],
  [
    's3://my.models/a%20b?endpoint=https://s3.example:9000&region=eu-1',
    { kind: 's3', bucket: 'my.models', prefix: 'a b', endpoint: 'https://s3.example:9000', region: 'eu-1' },
  ],
] as const) {
  test(`reads ${text}, and writes it again`, () => {
    const location = parseObjectLocation(text);
    assert.deepEqual(location, expected);
    assert.equal(objectPlaceOf(location), text);
  });
}

for (const text of [
  's3://',
  's3:models',
  'http://models/a',
  's3://key:secret@models/a',
  's3://models/a?endpoint=models',
  's3://models/a?region=x&other=y',
  's3://models/a#b',
  's3://models/%',
  '',
]) {
  test(`rejects ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseObjectLocation(text), { code: 'invalid_request', message: /--objects: expected s3:\/\/BUCKET\/PREFIX/ });
  });
}

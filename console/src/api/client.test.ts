import assert from 'node:assert/strict';
import { test } from 'node:test';
import { path, urlOf } from './client.ts';

test('escapes names in a path', () => {
  assert.equal(path('/endpoints/:endpoint/invoke', { endpoint: 'a/../b?c' }), '/endpoints/a%2F..%2Fb%3Fc/invoke');
});

test('leaves out undefined and null query parameters', () => {
  assert.equal(urlOf('/async', { state: undefined, limit: 20, cursor: null }), '/api/v1/async?limit=20');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reachableUrl } from './reachable-url.ts';

for (const { url, names, reached, what } of [
  { what: 'a bound address stays', url: 'http://127.0.0.1:8080', names: ['box.example'], reached: 'http://127.0.0.1:8080' },
  {
    what: 'a wildcard becomes a name of the certificate',
    url: 'https://0.0.0.0:8443',
    names: ['localhost', 'box.example'],
    reached: 'https://box.example:8443',
  },
  { what: 'an IPv6 name gets brackets', url: 'https://[::]:8443', names: ['::', '2001:db8::7'], reached: 'https://[2001:db8::7]:8443' },
  {
    what: 'without a usable name it is localhost',
    url: 'https://0.0.0.0:8443',
    names: ['127.0.0.1', '0.0.0.0'],
    reached: 'https://localhost:8443',
  },
]) {
  test(what, () => assert.equal(reachableUrl(url, names), reached));
}

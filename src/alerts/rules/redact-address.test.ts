import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redactAddress, redactAddresses } from './redact-address.ts';

for (const { address, shown } of [
  { address: 'https://hooks.example/services/T024F/B8/Xa81kQz', shown: 'https://hooks.example/services/…' },
  { address: 'https://chat.example/api/webhooks/1184/aBcD', shown: 'https://chat.example/api/webhooks/…' },
  { address: 'https://chat.example/bot77:AAH/send', shown: 'https://chat.example/…' },
  { address: 'https://chat.example/onlysmalllettersyetalongone/send', shown: 'https://chat.example/…' },
  { address: 'http://127.0.0.1:8080/hook?token=s3cret', shown: 'http://127.0.0.1:8080/hook/…' },
  { address: 'https://me:s3cret@example.org/hook#s3cret', shown: 'https://example.org/hook/…' },
  { address: 'HTTPS://example.org/hook/', shown: 'https://example.org/hook' },
  { address: 'https://example.org', shown: 'https://example.org' },
  { address: 'https://[s3cret', shown: '…' },
  { address: 'arn:aws:logs:us-east-1:000000000000:log-group:/events', shown: 'arn:aws:logs:us-east-1:000000000000:log-group:/events' },
]) {
  test(`redacts ${address} to ${shown}`, () => assert.equal(redactAddress(address), shown));
}

test('redacts every URL in a text and leaves the rest', () => {
  const text = JSON.stringify({ actions: ['https://a.example/x1', 'arn:aws:x'], error: 'https://b.example/hook?s3cret is gone' });
  assert.deepEqual(JSON.parse(redactAddresses(text)), {
    actions: ['https://a.example/…', 'arn:aws:x'],
    error: 'https://b.example/hook/… is gone',
  });
});

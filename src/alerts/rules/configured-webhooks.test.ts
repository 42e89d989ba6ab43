import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../config.ts';
import { topicUrl, webhookPolicy } from './configured-webhooks.ts';

const config = {
  host: '127.0.0.1',
  port: 8080,
  grpcPort: 8001,
  webhookPrivate: 'refuse',
  asyncTopics: { 'arn:aws:sns:us-east-1:000000000000:done': 'http://10.0.0.7/done' },
} as unknown as Config;

test('a topic is delivered to its URL: the topic itself, or its entry in the config', () => {
  const urlOf = (topic: string) => topicUrl(config.asyncTopics, topic);
  assert.equal(urlOf('https://hooks.example/x'), 'https://hooks.example/x');
  assert.equal(urlOf('arn:aws:sns:us-east-1:000000000000:done'), 'http://10.0.0.7/done');
  assert.equal(urlOf('arn:aws:sns:us-east-1:000000000000:other'), null);
  assert.equal(topicUrl(null, 'arn:aws:sns:us-east-1:000000000000:done'), null);
});

test('webhooks never call the ports of this server, and private networks only if the operator named the URL or allows it', () => {
  const policy = webhookPolicy(config);
  for (const url of ['http://127.0.0.1:8080/', 'http://localhost:8001/']) {
    assert.throws(() => policy.checkUrl(url), { code: 'invalid_request', message: /where this server itself listens/ });
  }
  assert.throws(() => policy.checkUrl('http://10.0.0.7/other'), { code: 'invalid_request' });
  assert.doesNotThrow(() => policy.checkUrl('http://10.0.0.7/done'));
  assert.doesNotThrow(() => webhookPolicy({ ...config, webhookPrivate: 'allow' }).checkUrl('http://10.0.0.7/other'));
});

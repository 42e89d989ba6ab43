/** EventBridge and CloudTrail called by AWS's own clients, with a receiver for deliveries. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { until } from '../../end-to-end/poll.ts';
import { AwsFixture } from './aws-fixture.ts';
import { generations } from './environments.ts';

describe('events and the audit', { timeout: 500_000 }, () => {
  for (const generation of generations) {
    test(`${generation}`, async (t) => {
      const received: string[] = [];
      const shaped: unknown[] = [];
      const receiver = createServer((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => {
          if (request.headers['x-text'] === undefined) received.push(body);
          else shaped.push([request.url, request.headers['x-text'], request.headers.authorization, JSON.parse(body)]);
          response.end();
        });
      });
      receiver.listen(0, '127.0.0.1');
      await once(receiver, 'listening');
      const aws = await AwsFixture.open();
      try {
        const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
        await aws.python(t, generation, 'events_checks.py', { hook });
        await until('the receiver got the event', () => received.includes('{"text":"grüezi","length":6}'));
        await until('the receiver got the event in the form of its rule', () => shaped.length > 0);
        const [url, length, authorization, body] = shaped[0] as [string, string, string, { event: { detail: unknown } }];
        assert.deepEqual([url, length, authorization], ['/?from=my.app', '6', 'Bearer t']);
        assert.deepEqual(
          { ...body, event: body.event.detail },
          { said: 'grüezi', about: 'mine said grüezi', event: { text: 'grüezi', length: 6 } },
        );
        await aws.server.register('registered', 'diabetes_rf');
        await until('the receiver got the package event', () =>
          received.some((body) => body.includes('SageMaker Model Package State Change')),
        );
        const reported = JSON.parse(received.find((body) => body.includes('State Change')) ?? '') as {
          source: string;
          detail: Record<string, unknown>;
        };
        assert.deepEqual(
          [reported.source, reported.detail.ModelPackageArn, reported.detail.ModelPackageStatus],
          ['aws.sagemaker', 'arn:aws:sagemaker:us-east-1:000000000000:model-package/registered/1', 'Completed'],
        );
      } finally {
        await aws.close();
        receiver.closeAllConnections();
        receiver.close();
      }
    });
  }
});

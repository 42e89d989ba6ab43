/** Responses and errors in the form of each protocol. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { form, json, messageOf, type SignOptions, sendSigned, typeOf } from '../../test/aws/signed-request.ts';
import { awsServiceRunning } from '../../test/aws-operations.ts';
import { type AwsRouterFixture, openAwsRouter } from '../../test/aws-router-fixture.ts';
import { PlatformError } from '../errors.ts';
import { AwsError, type AwsInput, type AwsStreamService } from './index.ts';

const createdAt = new Date(1_767_323_045_678);

const refusals: Readonly<Record<string, () => Error>> = {
  gone: () => new AwsError('ValidationException', 'Could not find endpoint "arn:…".'),
  hinted: () => new PlatformError('wrong_state', 'it is busy', { hint: 'wait' }),
  busy: () => new PlatformError('overloaded', 'the queue is full', { retryAfterMs: 2500 }),
  broken: () => new TypeError('internal detail'),
  unspeakable: () => new AwsError('Not a\r\nheader', 'x'),
  unwritable: () => new AwsError('ValidationException', 'x', { members: { Count: 1n } }),
};

const sagemaker = awsServiceRunning('sagemaker', {
  DescribeEndpoint({ EndpointName: name }) {
    const refusal = refusals[String(name)];
    if (refusal !== undefined) throw refusal();
    return { EndpointName: name, EndpointArn: 'arn', CreationTime: createdAt };
  },
  ListModels: () => ({ Models: [] }),
});

/** The input of the last call. */
let requested: AwsInput = {};
const cloudwatch = awsServiceRunning('cloudwatch', {
  DescribeAlarms(input) {
    requested = input;
    if (input.AlarmNamePrefix === 'bad') throw new AwsError('InvalidNextToken', 'no such page');
    if (input.AlarmNamePrefix === 'odd') throw new PlatformError('invalid_request', 'that <odd> prefix');
    return {
      MetricAlarms: [{ AlarmName: 'a<b>&"c"', Threshold: 0.5, ActionsEnabled: true, StateUpdatedTimestamp: createdAt, Dimensions: [] }],
    };
  },
  DeleteAlarms: () => ({}),
});

const s3: AwsStreamService = { name: 's3', handle: async (_request, response) => void response.end() };

let router: AwsRouterFixture;
before(async () => {
  router = await openAwsRouter({ services: [sagemaker, cloudwatch], streams: [s3] });
});
after(() => router.close());

function call(service: string, options: Omit<SignOptions, 'service' | 'key'>) {
  return sendSigned(router.url, { key: router.key, service, ...options });
}

describe('encodes a response in its protocol:', () => {
  test('JSON 1.1', async () => {
    const reply = await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: 'e' }));
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, 'application/x-amz-json-1.1']);
    assert.match(String(reply.headers['x-amzn-requestid']), /^[0-9a-f-]{36}$/);
    assert(reply.headers.date !== undefined);
    assert.match(reply.body, /"CreationTime":1767323045\.678/);
  });

  test('JSON 1.0', async () => {
    const reply = await call('monitoring', json('GraniteServiceVersion20100801.DescribeAlarms', { AlarmNamePrefix: 'a' }, '1.0'));
    assert.equal(reply.headers['content-type'], 'application/x-amz-json-1.0');
    assert.match(reply.body, /"StateUpdatedTimestamp":1767323045\.678/);
  });

  test('query', async () => {
    const reply = await call(
      'monitoring',
      form({ Action: 'DescribeAlarms', Version: '2010-08-01', 'AlarmNames.member.1': 'b', 'AlarmNames.member.2': 'ü +' }),
    );
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, 'text/xml']);
    assert.deepEqual(requested, { AlarmNames: ['b', 'ü +'] });
    const { body } = reply;
    assert.match(
      body,
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<DescribeAlarmsResponse xmlns="http:\/\/monitoring\.amazonaws\.com\/doc\/2010-08-01\/">/,
    );
    assert.match(body, /<DescribeAlarmsResult><MetricAlarms><member><AlarmName>a&lt;b&gt;&amp;&quot;c&quot;<\/AlarmName>/);
    assert.match(body, /<StateUpdatedTimestamp>2026-01-02T03:04:05\.678Z<\/StateUpdatedTimestamp>/);
    assert.match(
      body,
      /<Dimensions\/>.*<ResponseMetadata><RequestId>[0-9a-f-]{36}<\/RequestId><\/ResponseMetadata><\/DescribeAlarmsResponse>$/,
    );
  });

  test('an empty output', async () => {
    const document = await call('monitoring', json('GraniteServiceVersion20100801.DeleteAlarms', { AlarmNames: [] }, '1.0'));
    assert.equal(document.body, '{}');
    const query = await call('monitoring', form({ Action: 'DeleteAlarms', AlarmNames: '' }));
    assert.match(
      query.body,
      /<DeleteAlarmsResponse xmlns="[^"]+"><ResponseMetadata><RequestId>[^<]+<\/RequestId><\/ResponseMetadata><\/DeleteAlarmsResponse>$/,
    );
  });

  test('a call in a query, presigned or not', async () => {
    const reply = await call('sts', { method: 'GET', path: '/?Action=GetCallerIdentity&Version=2011-06-15' });
    assert.match(reply.body, /<GetCallerIdentityResult><UserId>AKIA/);
  });
});

describe('encodes an error in its protocol:', () => {
  for (const [name, status, type, message] of [
    ['gone', 400, 'ValidationException', 'Could not find endpoint "arn:…".'],
    ['hinted', 400, 'ValidationException', 'it is busy; wait'],
    ['busy', 400, 'ThrottlingException', 'the queue is full'],
  ] as const) {
    test(`JSON 1.1, ${type}: ${message}`, async () => {
      const reply = await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: name }));
      assert.deepEqual([reply.status, reply.headers['x-amzn-errortype'], typeOf(reply.body)], [status, type, type]);
      assert.deepEqual(JSON.parse(reply.body), { __type: type, Message: message, message });
      assert.equal(reply.headers['retry-after'], name === 'busy' ? '3' : undefined);
    });
  }

  test('internal errors stay in the log', async () => {
    const reply = await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: 'broken' }));
    assert.deepEqual([reply.status, typeOf(reply.body)], [500, 'InternalFailure']);
    assert.doesNotMatch(reply.body, /secret/);
    assert(messageOf(reply.body).includes(String(reply.headers['x-amzn-requestid'])));
  });

  test('an error that cannot be sent closes the connection', async () => {
    for (const EndpointName of ['unspeakable', 'unwritable']) {
      await assert.rejects(call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName })), /socket hang up/);
    }
    assert.equal((await call('sagemaker', json('SageMaker.DescribeEndpoint', { EndpointName: 'e' }))).status, 200);
  });

  test('JSON 1.0 uses shape names, with the codes of the query protocol next to them', async () => {
    const bad = await call('monitoring', json('GraniteServiceVersion20100801.DescribeAlarms', { AlarmNamePrefix: 'bad' }, '1.0'));
    assert.deepEqual(
      [bad.status, typeOf(bad.body), bad.headers['x-amzn-query-error']],
      [400, 'InvalidNextToken', 'InvalidNextToken;Sender'],
    );
    const odd = await call('monitoring', json('GraniteServiceVersion20100801.DescribeAlarms', { AlarmNamePrefix: 'odd' }, '1.0'));
    assert.deepEqual(
      [typeOf(odd.body), odd.headers['x-amzn-query-error']],
      ['InvalidParameterValueException', 'InvalidParameterValue;Sender'],
    );
  });

  test('query', async () => {
    const reply = await call('monitoring', form({ Action: 'DescribeAlarms', AlarmNamePrefix: 'odd' }));
    assert.deepEqual([reply.status, reply.headers['content-type']], [400, 'text/xml']);
    assert.match(
      reply.body,
      /<Error><Type>Sender<\/Type><Code>InvalidParameterValue<\/Code><Message>that &lt;odd&gt; prefix<\/Message><\/Error><RequestId>/,
    );
  });

  test('an unknown operation is a client error that lists the served operations', async () => {
    const reply = await call('sagemaker', json('SageMaker.CreateTrainingJob', {}));
    assert.deepEqual([reply.status, typeOf(reply.body)], [400, 'UnknownOperationException']);
    assert.match(messageOf(reply.body), /'CreateTrainingJob'.*DescribeEndpoint, ListModels/);
    for (const target of ['toString', '__proto__', 'constructor', '', 'hasOwnProperty']) {
      assert.equal(typeOf((await call('sagemaker', json(`SageMaker.${target}`, {}))).body), 'UnknownOperationException');
    }
    assert.equal(typeOf((await call('sagemaker', json('Logs_20140328.ListModels', {}))).body), 'UnknownOperationException');
    const query = await call('monitoring', form({ Action: 'Nothing' }));
    assert.deepEqual([query.status, /<Code>(\w+)/.exec(query.body)?.[1]], [400, 'UnknownOperationException']);
  });

  test('an unknown service is a client error', async () => {
    const reply = await call('dynamodb', json('DynamoDB_20120810.ListTables', {}, '1.0'));
    assert.deepEqual([reply.status, typeOf(reply.body)], [400, 'UnknownOperationException']);
    assert.match(messageOf(reply.body), /'dynamodb'.*cloudwatch, iam, s3, sagemaker, sts/);
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DescribeEndpointCommand, ListModelsCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { type OpenAwsDoor, openAwsDoor, place } from '../../test/aws-door.ts';
import { AwsError, type AwsInput, type AwsService } from './index.ts';

const createdAt = new Date(1_767_323_045_678);

/** A service that answers with what it was asked. */
const asked: AwsInput[] = [];
const sagemaker: AwsService = {
  name: 'sagemaker',
  operations: {
    DescribeEndpoint(input, { account, region }) {
      if (input.EndpointName === 'gone') throw new AwsError('ValidationException', 'Could not find endpoint "arn:…".');
      const arn = `arn:aws:sagemaker:${region}:${account}:endpoint/${String(input.EndpointName)}`;
      return { EndpointName: input.EndpointName, EndpointArn: arn, CreationTime: createdAt };
    },
    ListModels(input) {
      asked.push(input);
      return { Models: [] };
    },
  },
};

describe("AWS's own client", () => {
  let door: OpenAwsDoor;
  before(async () => {
    door = await openAwsDoor({ services: [sagemaker] });
  });
  after(() => door.close());

  for (const prefix of ['', '/aws']) {
    test(`learns who it is at '${prefix || '/'}'`, async () => {
      const sts = new STSClient({ ...door.client, endpoint: `${door.url}${prefix}` });
      const { UserId, Account, Arn, $metadata } = await sts.send(new GetCallerIdentityCommand({}));
      assert.deepEqual([UserId, Account, Arn], [door.key.id, place.account, `arn:aws:iam::${place.account}:user/${door.key.id}`]);
      assert.match($metadata.requestId ?? '', /^[0-9a-f-]{36}$/);
    });
  }

  test('calls an operation and gets times as times', async () => {
    const client = new SageMakerClient(door.client);
    const answer = await client.send(new DescribeEndpointCommand({ EndpointName: 'fraud' }));
    assert.deepEqual(answer.CreationTime, createdAt);
    assert.equal(answer.EndpointArn, `arn:aws:sagemaker:${place.region}:${place.account}:endpoint/fraud`);
    await client.send(new ListModelsCommand({ CreationTimeAfter: createdAt }));
    assert.deepEqual(asked.at(-1), { CreationTimeAfter: createdAt.getTime() });
  });
});

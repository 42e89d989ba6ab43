/** Calls that wait for a change do not delay the end of the server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { DescribeEndpointCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { awsServiceRunning } from '../../test/aws-operations.ts';
import { openAwsRouter } from '../../test/aws-router-fixture.ts';

test('a held call is answered when the server drains, and later ones are not held', async () => {
  const isHeld = Promise.withResolvers<void>();
  const sagemaker = awsServiceRunning('sagemaker', {
    DescribeEndpoint: async ({ EndpointName }, { signal }) => {
      isHeld.resolve();
      if (!signal.aborted) await once(signal, 'abort');
      return { EndpointName, EndpointStatus: 'Creating' };
    },
  });
  const router = await openAwsRouter({ services: [sagemaker] });
  const client = new SageMakerClient(router.client);
  try {
    const describe = () => client.send(new DescribeEndpointCommand({ EndpointName: 'digits' }));
    const first = describe();
    await isHeld.promise;
    router.door.endHolds();
    assert.equal((await first).EndpointStatus, 'Creating');
    assert.equal((await describe()).EndpointStatus, 'Creating');
  } finally {
    client.destroy();
    await router.close();
  }
});

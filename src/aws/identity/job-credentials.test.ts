/** The credentials of a training job: buckets, PutMetricData and invocations, while the job runs, and nothing else. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { form, json, type SignOptions, sendSigned } from '../../../test/aws/signed-request.ts';
import { awsServiceRunning } from '../../../test/aws-operations.ts';
import { type AwsRouterFixture, openAwsRouter } from '../../../test/aws-router-fixture.ts';
import type { Caller, Role } from '../../access/index.ts';
import type { AwsStreamService } from '../index.ts';
import type { OperationName } from '../s3/routing.ts';
import { requireAction, s3Actions } from '../s3/s3-actions.ts';

const sagemaker = awsServiceRunning('sagemaker', {
  ListModels: () => ({ Models: [] }),
  UpdateModelPackage: () => ({ ModelPackageArn: 'arn' }),
});
const cloudwatch = awsServiceRunning('cloudwatch', { PutMetricData: () => ({}), ListMetrics: () => ({}) });
const runtime: AwsStreamService = { name: 'sagemaker-runtime', handle: async (_request, response) => void response.writeHead(200).end() };

let router: AwsRouterFixture;
before(async () => {
  router = await openAwsRouter({ services: [sagemaker, cloudwatch], streams: [runtime] });
});
after(() => router.close());

function issued(creator: string, job: string) {
  const credentials = router.access.jobCredentials(creator, job);
  assert(credentials !== undefined);
  return credentials;
}

type Issued = ReturnType<typeof issued>;

type SignedRequest = Omit<SignOptions, 'key' | 'service'>;

const call = ({ id, secret, token }: Issued, service: string, request: SignedRequest) =>
  sendSigned(router.url, { key: { id, secret }, service, ...request, headers: { ...request.headers, 'x-amz-security-token': token } });

describe('the code of a training job', () => {
  test('puts metrics and invokes endpoints, while the job runs', async () => {
    const credentials = issued(router.key.id, 'digits-1');
    assert.equal((await call(credentials, 'sts', form({ Action: 'GetCallerIdentity' }))).status, 403);
    router.access.holdJob('digits-1');
    assert.match((await call(credentials, 'sts', form({ Action: 'GetCallerIdentity' }))).body, /assumed-role\/training-job\/digits-1</);
    const put = form({ Action: 'PutMetricData', Version: '2010-08-01', Namespace: 'n', 'MetricData.member.1.MetricName': 'm' });
    assert.equal((await call(credentials, 'monitoring', put)).status, 200);
    assert.equal((await call(credentials, 'sagemaker', { path: '/endpoints/e/invocations' })).status, 200);
    router.access.releaseJob('digits-1');
    assert.equal((await call(credentials, 'monitoring', put)).status, 403);
  });

  test('calls no control operation, not even to get other credentials', async () => {
    router.access.holdJob('digits-2');
    const credentials = issued('anonymous', 'digits-2');
    for (const [service, request] of [
      ['sagemaker', json('SageMaker.ListModels', {})],
      ['sagemaker', json('SageMaker.UpdateModelPackage', { ModelPackageArn: 'arn', ModelApprovalStatus: 'Approved' })],
      ['monitoring', form({ Action: 'ListMetrics', Version: '2010-08-01' })],
      ['sts', form({ Action: 'AssumeRole', RoleArn: 'arn:aws:iam::000000000000:role/admin', RoleSessionName: 'mine' })],
    ] as const) {
      const { status, body } = await call(credentials, service, request);
      assert.equal(status, 403, body);
      assert.match(body, /the code of a training job may use buckets, put metrics and invoke endpoints/);
    }
  });

  test('reads and writes objects of buckets, if its creator may', () => {
    const allowed = new Set(['list objects', 'read object', 'write object', 'delete object']);
    const mayWrite: Readonly<Record<string, boolean>> = { viewer: false, invoker: false, deployer: true, approver: true, admin: true };
    for (const [role, writes] of Object.entries(mayWrite)) {
      const assumed = { role: 'training-job', session: 'j', expiresAtMs: 1, job: 'j' };
      const caller: Caller = { keyId: 'AKIA', role: role as Role, assumed };
      for (const [operation, action] of Object.entries(s3Actions) as [OperationName, (typeof s3Actions)[OperationName]][]) {
        const isAllowed = allowed.has(action) && (writes || action === 'list objects' || action === 'read object');
        const check = () => requireAction(caller, action, operation);
        if (isAllowed) check();
        else assert.throws(check, /is not authorized to perform/, `${role} ${operation}`);
      }
      assert.throws(() => requireAction(caller, 'read captured data', 'GetObject'), /is not authorized/);
    }
  });

  test('loses its rights with the key of its creator, and passes on no more than it has', () => {
    const { access } = router;
    const key = access.create('deployer');
    access.holdJob('digits-3');
    const { id, token } = issued(key.id, 'digits-3');
    const signer = access.signerFor(id, token);
    assert(signer !== undefined && signer !== 'expired');
    const passed = access.assumeRole(signer.caller, { role: 'admin', session: 's', seconds: 900 });
    const second = passed === undefined ? undefined : access.signerFor(passed.id, passed.token);
    assert(second !== undefined && second !== 'expired');
    assert.equal(second.caller.assumed?.job, 'digits-3');
    access.revoke(key.id);
    assert.equal(access.signerFor(id, token), undefined);
    assert.equal(access.jobCredentials(key.id, 'digits-3'), undefined);
  });
});

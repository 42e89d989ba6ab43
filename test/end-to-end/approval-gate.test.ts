/** The approval gate over every API: no call of a deployer approves a version, and no unapproved version is served. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { GroupBody, PageBody, VersionBody } from '../../src/api/index.ts';
import { json, type Reply, sendSigned } from '../aws/signed-request.ts';
import { modelPath } from '../models/index.ts';
import { Server, temporaryDirectory } from './server.ts';

interface Key {
  readonly id: string;
  readonly secret: string;
}

const role = 'arn:aws:iam::000000000000:role/any';
const dataDir = temporaryDirectory();
let server: Server;
let deployer: Key;
let approver: Key;
const model = readFileSync(modelPath('digits_mlp'));
before(async () => {
  const command = ['sleep', '60'];
  const images = [
    { match: 'team/stars', runtime: 'process', command },
    { match: 'team/own', runtime: 'process', command, isolation: 'none' },
  ];
  writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ images }));
  server = await Server.start({ dataDir });
  deployer = await server.callWell<Key>('POST', '/keys', { role: 'deployer' });
  approver = await server.callWell<Key>('POST', '/keys', { role: 'approver' });
});
after(() => server?.end());

const sagemaker = (key: Key, operation: string, input: object): Promise<Reply> =>
  sendSigned(server.url, { key, service: 'sagemaker', ...json(`SageMaker.${operation}`, input) });
const s3 = (key: Key, method: string, path: string, body?: Uint8Array): Promise<Reply> =>
  sendSigned(server.url, { key, service: 's3', method, path, ...(body === undefined ? {} : { body }) });
const native = (key: Key, method: string, path: string, body?: unknown) =>
  server.call<VersionBody & { version: VersionBody }>(method, path, body, { authorization: `Bearer ${key.id}:${key.secret}` });
const onnx = { Image: 'penstock/onnx:1', ModelDataUrl: 's3://team/m.onnx' };
const specification = { InferenceSpecification: { Containers: [onnx], SupportedContentTypes: [], SupportedResponseMIMETypes: [] } };

async function versions(): Promise<VersionBody[]> {
  const { items: groups } = await server.callWell<PageBody<GroupBody>>('GET', '/groups');
  const all = await Promise.all(
    groups.map(async ({ name }) => (await server.callWell<PageBody<VersionBody>>('GET', `/groups/${name}/versions`)).items),
  );
  return all.flat();
}

describe('a deployer', () => {
  test('can register over every API without approving anything', async () => {
    assert.equal((await s3(deployer, 'PUT', '/team')).status, 200);
    assert.equal((await s3(deployer, 'PUT', '/team/m.onnx', model)).status, 200);
    const well = async (operation: string, input: object): Promise<void> => {
      const { status, body } = await sagemaker(deployer, operation, input);
      assert.equal(status, 200, `${operation}: ${body}`);
    };
    await well('CreateModelPackageGroup', { ModelPackageGroupName: 'grouped' });
    await well('CreateModelPackage', { ModelPackageGroupName: 'grouped', ...specification });
    await well('CreateModelPackage', { ModelPackageName: 'alone', ...specification });
    await well('CreateModel', { ModelName: 'bare', ExecutionRoleArn: role, PrimaryContainer: onnx });
    await well('CreateModel', { ModelName: 'several', ExecutionRoleArn: role, Containers: [onnx] });
    await well('CreateModel', { ModelName: 'stars', ExecutionRoleArn: role, PrimaryContainer: { Image: 'team/stars:1' } });
    await well('UpdateModelPackage', { ModelPackageArn: arnOf('grouped/1'), CustomerMetadataProperties: { approval: 'Approved' } });
    await well('AddTags', { ResourceArn: arnOf('grouped/1'), Tags: [{ Key: 'ModelApprovalStatus', Value: 'Approved' }] });
    assert.equal((await native(deployer, 'POST', '/groups/natively/versions?name=m.onnx', model)).status, 201);
    assert.equal((await native(deployer, 'POST', '/catalogue/digits-logreg/register', {})).status, 201);
    assert.equal((await native(deployer, 'PATCH', '/groups/natively/versions/1', { tags: { approval: 'Approved' } })).status, 200);

    const all = await versions();
    assert.deepEqual(all.map(({ group }) => group).sort(), ['alone', 'bare', 'digits-logreg', 'grouped', 'natively', 'several', 'stars']);
    assert.deepEqual([...new Set(all.map(({ approval }) => approval))], ['PendingManualApproval']);
  });

  test('cannot approve by any call or spelling', async () => {
    const approving: readonly Promise<{ readonly status: number; readonly body: unknown }>[] = [
      native(deployer, 'POST', '/groups/natively/versions/1/approval', { approval: 'Approved' }),
      native(deployer, 'PATCH', '/groups/natively/versions/1', { approval: 'Approved' }),
      native(deployer, 'POST', '/groups/natively/versions?name=m.onnx&approval=Approved', model),
      native(deployer, 'POST', '/groups/natively/versions?name=m.onnx&approve=true', model),
      sagemaker(deployer, 'CreateModelPackage', { ModelPackageGroupName: 'grouped', ...specification, ModelApprovalStatus: 'Approved' }),
      sagemaker(deployer, 'CreateModelPackage', { ModelPackageName: 'other', ...specification, ModelApprovalStatus: 'Approved' }),
      sagemaker(deployer, 'UpdateModelPackage', { ModelPackageArn: arnOf('grouped/1'), ModelApprovalStatus: 'Approved' }),
      sagemaker(deployer, 'UpdateModelPackage', { ModelPackageArn: arnOf('alone'), ModelApprovalStatus: 'Approved' }),
      sagemaker(deployer, 'UpdateModelPackage', { ModelPackageArn: arnOf('grouped/1'), ApprovalDescription: 'accuracy 0.99' }),
      s3(deployer, 'PUT', '/penstock-models/natively/1/model.onnx', model),
    ];
    for (const { status, body } of await Promise.all(approving)) assert(status >= 400 && status < 500, `${status} ${JSON.stringify(body)}`);
    // A member of the prototype is not part of the document.
    const raw = `{"ModelPackageArn":"${arnOf('grouped/1')}","__proto__":{"ModelApprovalStatus":"Approved"}}`;
    await sendSigned(server.url, { key: deployer, service: 'sagemaker', ...json('SageMaker.UpdateModelPackage', {}), body: raw });
    assert.deepEqual([...new Set((await versions()).map(({ approval }) => approval))], ['PendingManualApproval']);
  });

  test('cannot serve an unapproved version: no endpoint, config or transform, for any runtime', async () => {
    const gate = /PendingManualApproval|not Approved/;
    for (const { name, group, version } of await versions()) {
      const refused = [
        await native(deployer, 'POST', '/endpoints', { name: 'gate', variants: [{ model: name }] }),
        await native(deployer, 'POST', '/transforms', { model: name, input: 's3://team/in', output: 's3://team/out' }),
      ];
      for (const { status, body } of refused) {
        assert.equal(status, 409, name);
        assert.match(JSON.stringify(body), gate);
      }
      const made = ['bare', 'several', 'stars'].includes(group) ? group : `${group}-${version}`;
      const calls = [
        await sagemaker(deployer, 'CreateEndpointConfig', {
          EndpointConfigName: 'gate',
          ProductionVariants: [{ VariantName: 'v', ModelName: made, InstanceType: 'ml.m5.large', InitialInstanceCount: 1 }],
        }),
        await sagemaker(deployer, 'CreateTransformJob', {
          TransformJobName: 'gate',
          ModelName: made,
          TransformInput: { DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://team/in' } } },
          TransformOutput: { S3OutputPath: 's3://team/out' },
          TransformResources: { InstanceType: 'ml.m5.large', InstanceCount: 1 },
        }),
      ];
      for (const { status, body } of calls) {
        assert.equal(status, 400, `${name}: ${body}`);
        assert.match(body, /ValidationException/);
        assert.match(body, gate);
      }
    }
    assert.equal((await sagemaker(deployer, 'CreateEndpoint', { EndpointName: 'gate', EndpointConfigName: 'gate' })).status, 400);
    const load = await fetch(`${server.url}/v2/repository/models/natively/load`, {
      method: 'POST',
      headers: { authorization: `Bearer ${deployer.id}:${deployer.secret}` },
      body: JSON.stringify({ parameters: { config: '{}', 'file:1/model.onnx': model.toString('base64') } }),
    });
    assert.equal(load.status, 404);
    assert.deepEqual((await server.callWell<PageBody<unknown>>('GET', '/endpoints')).items, []);
  });
});

test('an approver approves a bare container by creating a model of it, and a deployer can deploy it then', async () => {
  const created = await sagemaker(approver, 'CreateModel', { ModelName: 'trusted', ExecutionRoleArn: role, PrimaryContainer: onnx });
  assert.equal(created.status, 200, created.body);
  assert.equal((await server.callWell<VersionBody>('GET', '/groups/trusted/versions/1')).approval, 'Approved');
  const ProductionVariants = [{ VariantName: 'v', ModelName: 'trusted', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 }];
  for (const [operation, input] of [
    ['CreateEndpointConfig', { EndpointConfigName: 'trusted', ProductionVariants }],
    ['CreateEndpoint', { EndpointName: 'trusted', EndpointConfigName: 'trusted' }],
  ] as const) {
    const { status, body } = await sagemaker(deployer, operation, input);
    assert.equal(status, 200, body);
  }
  await server.inService('trusted');
});

function arnOf(path: string): string {
  return `arn:aws:sagemaker:us-east-1:000000000000:model-package/${path}`;
}

test('variables of a transform need the permission to approve, and reach no process without isolation', async () => {
  const variables = { LD_PRELOAD: '/tmp/x.so' };
  const transform = (key: Key, ModelName: string, TransformJobName: string, Environment: object): Promise<Reply> =>
    sagemaker(key, 'CreateTransformJob', {
      TransformJobName,
      ModelName,
      Environment,
      TransformInput: { DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://team/m.onnx' } } },
      TransformOutput: { S3OutputPath: 's3://team/out' },
      TransformResources: { InstanceType: 'ml.m5.large', InstanceCount: 1 },
    });
  for (const [ModelName, Image] of [
    ['isolated', 'team/stars:1'],
    ['unisolated', 'team/own:1'],
  ]) {
    const made = await sagemaker(approver, 'CreateModel', { ModelName, ExecutionRoleArn: role, PrimaryContainer: { Image } });
    assert.equal(made.status, 200, made.body);
    const refused = await transform(deployer, String(ModelName), 'injected', variables);
    assert(refused.status >= 400 && refused.status < 500, `${ModelName}: ${refused.status} ${refused.body}`);
    assert.match(refused.body, /environment variables/);
  }
  const unisolated = await transform(approver, 'unisolated', 'injected', variables);
  assert.equal(unisolated.status, 400, unisolated.body);
  const allowed = await transform(approver, 'isolated', 'with-variables', variables);
  assert.equal(allowed.status, 200, allowed.body);
  assert.equal((await native(deployer, 'POST', '/transforms/with-variables/stop')).status, 202);
  const resumed = await native(deployer, 'POST', '/transforms/with-variables/resume');
  assert.equal(resumed.status, 403, JSON.stringify(resumed.body));
});

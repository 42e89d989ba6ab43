/** STS and IAM over the wire: identities, temporary credentials, and permissions of roles. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { form, json, type SignOptions, sendSigned } from '../../../test/aws/signed-request.ts';
import { awsServiceRunning } from '../../../test/aws-operations.ts';
import { type AwsRouterFixture, awsLocation, openAwsRouter } from '../../../test/aws-router-fixture.ts';
import type { ActionEntry } from '../../records/index.ts';
import type { AwsStreamService } from '../index.ts';

const { account } = awsLocation;
const role = `arn:aws:iam::${account}:role/service-role/trainer`;
type Key = NonNullable<SignOptions['key']>;

const sagemaker = awsServiceRunning('sagemaker', { ListModels: () => ({ Models: [] }), CreateEndpoint: () => ({ EndpointArn: 'arn' }) });
const s3: AwsStreamService = { name: 's3', handle: async (_request, response) => void response.writeHead(200).end() };

let router: AwsRouterFixture;
let nowMs = Date.now();
const done: ActionEntry[] = [];
before(async () => {
  router = await openAwsRouter({
    services: [sagemaker],
    streams: [s3],
    onDone: async (entry) => void done.push(entry),
    clock: { wallMs: () => nowMs },
  });
});
after(() => router.close());

const call = (service: string, key: Key, fields: Readonly<Record<string, string>>, token?: string) => {
  const { headers, body } = form(fields);
  return sendSigned(router.url, {
    key,
    service,
    body,
    nowMs,
    headers: { ...headers, ...(token === undefined ? {} : { 'x-amz-security-token': token }) },
  });
};
const textOf = (body: string, name: string) => new RegExp(`<${name}>([^<]*)<`).exec(body)?.[1];
const arnOf = (key: Key, token?: string) =>
  call('sts', key, { Action: 'GetCallerIdentity' }, token).then(({ body }) => textOf(body, 'Arn'));
const codeOf = (body: string) => textOf(body, 'Code');

async function assumed(key: Key, more: Readonly<Record<string, string>> = {}, token?: string) {
  const reply = await call('sts', key, { Action: 'AssumeRole', RoleArn: role, RoleSessionName: 'notebook', ...more }, token);
  const [id = '', secret = '', sessionToken = ''] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map((name) =>
    textOf(reply.body, name),
  );
  return { reply, key: { id, secret }, token: sessionToken };
}

describe('AssumeRole', () => {
  test('issues credentials with the permissions of the calling key, and is audited', async () => {
    const key = router.access.create('viewer');
    const { key: temporary, token, reply } = await assumed(key);
    assert.equal(reply.status, 200, reply.body);
    assert.equal(await arnOf(temporary, token), `arn:aws:sts::${account}:assumed-role/trainer/notebook`);
    const asSession = (operation: string, document: object) => {
      const { headers, body } = json(`SageMaker.${operation}`, document);
      return sendSigned(router.url, { key: temporary, service: 'sagemaker', body, headers: { ...headers, 'x-amz-security-token': token } });
    };
    assert.equal((await asSession('ListModels', {})).status, 200);
    const rejected = await asSession('CreateEndpoint', { EndpointName: 'e', EndpointConfigName: 'c' });
    assert.equal(rejected.status, 403);
    assert(rejected.body.includes('assumed-role/trainer/notebook is not authorized to perform: sagemaker:CreateEndpoint'), rejected.body);
    const { who, action, target } = done.at(-1) as ActionEntry;
    assert.deepEqual([who, action, target], [key.id, 'AssumeRole', role]);
  });

  test('works for S3, whose errors have other codes', async () => {
    const { key, token } = await assumed(router.key);
    const get = (sent: string) =>
      sendSigned(router.url, {
        key,
        service: 's3',
        method: 'GET',
        path: '/team',
        headers: { 'x-amz-security-token': sent, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      });
    assert.equal((await get(token)).status, 200);
    assert.equal(codeOf((await get(`${token}x`)).body), 'InvalidToken');
  });

  test('the credentials are worth nothing without their token, with another, unsigned, or after their end', async () => {
    const { key, token } = await assumed(router.key, { DurationSeconds: '900' });
    const other = await assumed(router.key);
    assert.equal(codeOf((await call('sts', key, { Action: 'GetCallerIdentity' })).body), 'InvalidClientTokenId');
    assert.equal(codeOf((await call('sts', key, { Action: 'GetCallerIdentity' }, other.token)).body), 'InvalidClientTokenId');
    const wrongSecret = await call('sts', { ...key, secret: router.key.secret }, { Action: 'GetCallerIdentity' }, token);
    assert.equal(codeOf(wrongSecret.body), 'SignatureDoesNotMatch');
    nowMs += 960_000;
    // A signature must be current as well, so only the session has ended.
    const late = await call('sts', key, { Action: 'GetCallerIdentity' }, token);
    nowMs -= 960_000;
    assert.deepEqual([late.status, codeOf(late.body)], [403, 'ExpiredToken']);
  });

  test('credentials cannot extend themselves', async () => {
    const first = await assumed(router.key, { DurationSeconds: '900' });
    const second = await assumed(first.key, { DurationSeconds: '43200' }, first.token);
    assert.equal(textOf(second.reply.body, 'Expiration'), textOf(first.reply.body, 'Expiration'));
  });

  for (const [member, value] of [
    ['Policy', '{"Version":"2012-10-17"}'],
    ['PolicyArns.member.1.arn', 'arn:aws:iam::aws:policy/ReadOnlyAccess'],
    ['TokenCode', '123456'],
  ] as const) {
    test(`rejects ${member}: ignoring it would issue wider credentials than requested`, async () => {
      const { reply } = await assumed(router.key, { [member]: value });
      assert.deepEqual([reply.status, codeOf(reply.body)], [400, 'ValidationError']);
    });
  }

  test('rejects a role of another account, and ARNs that are not roles', async () => {
    for (const RoleArn of [
      'arn:aws:iam::999999999999:role/r',
      `arn:aws:iam::${account}:user/${router.key.id}`,
      `arn:aws:iam::${account}:role/a b`,
    ]) {
      const { reply } = await assumed(router.key, { RoleArn });
      assert.deepEqual([reply.status, codeOf(reply.body)], [403, 'AccessDenied'], RoleArn);
    }
  });

  test('is limited per key, because each call is an entry in the audit', async () => {
    const key = router.access.create('viewer');
    const before = done.length;
    for (let i = 0; i < 30; i++) assert.equal((await assumed(key)).reply.status, 200);
    const { reply } = await assumed(key);
    assert.deepEqual([codeOf(reply.body), done.length - before], ['Throttling', 30]);
    assert.equal((await assumed(router.access.create('viewer'))).reply.status, 200);
  });
});

describe('IAM', () => {
  const decisions = async (key: Key, actions: readonly string[], source = role) => {
    const names = Object.fromEntries(actions.map((action, index) => [`ActionNames.member.${index + 1}`, action]));
    const reply = await call('iam', key, { Action: 'SimulatePrincipalPolicy', PolicySourceArn: source, ...names });
    return reply.status === 200 ? [...reply.body.matchAll(/<EvalDecision>(\w+)</g)].map(([, decision]) => decision) : codeOf(reply.body);
  };

  test('any name is a role that SageMaker may assume', async () => {
    const { status, body } = await call('iam', router.access.create('viewer'), { Action: 'GetRole', RoleName: 'trainer' });
    assert.equal(status, 200, body);
    assert.equal(textOf(body, 'Arn'), `arn:aws:iam::${account}:role/trainer`);
    assert.match(textOf(body, 'RoleId') ?? '', /^AROA[A-Z2-7]{17}$/);
    const policy = JSON.parse(decodeURIComponent(textOf(body, 'AssumeRolePolicyDocument') ?? '')) as { Statement: { Principal: object }[] };
    assert.deepEqual(policy.Statement[0]?.Principal, { Service: 'sagemaker.amazonaws.com' });
  });

  test('a role may do what the calling key may do', async () => {
    const actions = [
      'sagemaker:CreateEndpoint',
      'sagemaker:InvokeEndpoint',
      's3:ListBucket',
      's3:PutObject',
      'sagemaker:CreateTrainingJob',
      'sagemaker:CreateNotebookInstance',
    ];
    assert.deepEqual(await decisions(router.access.create('deployer'), actions), [
      'allowed',
      'allowed',
      'allowed',
      'allowed',
      'allowed',
      'implicitDeny',
    ]);
    assert.deepEqual(await decisions(router.access.create('viewer'), actions), [
      'implicitDeny',
      'implicitDeny',
      'allowed',
      'implicitDeny',
      'implicitDeny',
      'implicitDeny',
    ]);
  });

  test('nothing has to be permitted for pulling images; services that do not exist are denied', async () => {
    assert.deepEqual(await decisions(router.access.create('viewer'), ['ecr:GetAuthorizationToken', 'dynamodb:PutItem', 'iam:CreateRole']), [
      'allowed',
      'implicitDeny',
      'implicitDeny',
    ]);
  });

  test('a key learns nothing about other keys', async () => {
    const [key, other] = [router.access.create('viewer'), router.access.create('admin')];
    const userOf = ({ id }: Key) => `arn:aws:iam::${account}:user/${id}`;
    assert.deepEqual(await decisions(key, ['sagemaker:CreateEndpoint'], userOf(key)), ['implicitDeny']);
    assert.equal(await decisions(key, ['sagemaker:CreateEndpoint'], userOf(other)), 'AccessDenied');
    assert.equal(await decisions(key, ['sagemaker:CreateEndpoint'], `arn:aws:iam::${account}:user/nothing`), 'AccessDenied');
  });

  test('rejects wildcards and policies, which it could not evaluate', async () => {
    assert.equal(await decisions(router.key, ['sagemaker:*']), 'InvalidInput');
    const fields = {
      Action: 'SimulatePrincipalPolicy',
      PolicySourceArn: role,
      'ActionNames.member.1': 's3:GetObject',
      'PolicyInputList.member.1': '{}',
    };
    assert.equal(codeOf((await call('iam', router.key, fields)).body), 'InvalidInput');
  });

  test('all other calls are denied, so clients continue', async () => {
    for (const Action of ['ListRoles', 'CreateRole', 'PassRole']) {
      const { status, body } = await call('iam', router.key, { Action });
      assert.deepEqual([status, codeOf(body)], [403, 'AccessDenied']);
      assert(body.includes(`iam:${Action}`), body);
    }
  });
});

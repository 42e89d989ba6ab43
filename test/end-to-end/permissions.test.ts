/**
 * Every operation of every API, called by every role, on a real server. The tables that the server reads say which action an operation
 * performs, and each action has one permission: so a call is rejected for its rights if and only if the role lacks that permission,
 * whichever API, protocol or kind of caller it is.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Action, actions, hasPermission, type Permission, type Role, roles } from '../../src/access/index.ts';
import { routeActions } from '../../src/api/routing/route-actions.ts';
import { originActions, s3Actions } from '../../src/aws/s3/s3-actions.ts';
import { permissionOf, runtimeAction } from '../../src/aws/service.ts';
import { grpcActions } from '../../src/oip/grpc/grpc-actions.ts';
import { restOperations } from '../../src/oip/paths.ts';
import { json, sendSigned } from '../aws/signed-request.ts';
import { awsOperation, awsOperations } from '../aws-operations.ts';
import { GrpcClient, grpcAddress, rawCall, rawConnection } from './grpc-client.ts';
import { until } from './poll.ts';
import { Server, temporaryDirectory } from './server.ts';

interface Key {
  readonly id: string;
  readonly secret: string;
}
/** The outcome of a call: rejected for its permission (`denied`), or not. */
type Outcome = 'denied' | 'passed' | 'unauthenticated';
interface Session {
  readonly cookie: string;
  readonly csrf: string;
}

let server: Server;
let grpc: GrpcClient;
let address = '';
const keys = new Map<Role, Key>();
const sessions = new Map<Role, Session>();
before(async () => {
  server = await Server.start();
  await server.deploy('digits', 'digits_mlp');
  for (const role of roles) {
    const key = await server.callWell<Key>('POST', '/keys', { role });
    keys.set(role, key);
    const signedIn = await server.call<{ csrf: string }>('POST', '/session', { key: `${key.id}:${key.secret}` });
    const cookie = signedIn.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
    sessions.set(role, { cookie, csrf: signedIn.body.csrf });
  }
  address = await grpcAddress(server);
  grpc = new GrpcClient(address);
});
after(async () => {
  grpc?.close();
  await server?.end();
});

const keyOf = (role: Role): Key => keys.get(role) as Key;
const bearerOf = (role: Role) => ({ authorization: `Bearer ${keyOf(role).id}:${keyOf(role).secret}` });
const expected = (role: Role, permission: Permission | null): Outcome =>
  permission === null || hasPermission(role, permission) ? 'passed' : 'denied';

/** Checks all roles together, so that a failure shows the whole column. */
async function assertRights(what: string, permission: Permission | null, call: (role: Role) => Promise<Outcome>): Promise<void> {
  const found = await Promise.all(roles.map(async (role) => [role, await call(role)] as const));
  assert.deepEqual(
    found,
    roles.map((role) => [role, expected(role, permission)]),
    what,
  );
}
const permissionOfAction = (action: Action | null): Permission | null => (action === null ? null : actions[action]);

/** Streams are left as soon as their status is known. */
async function http(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Outcome> {
  const cancellation = new AbortController();
  const init = { method, headers, signal: cancellation.signal, ...(body === undefined ? {} : { body }) };
  const { status } = await fetch(server.url + path, init);
  cancellation.abort();
  if (status === 403) return 'denied';
  return status === 401 ? 'unauthenticated' : 'passed';
}

describe('native REST', () => {
  const routes = Object.entries(routeActions).filter(([key]) => !key.endsWith(' /session'));
  const nativeCall = (key: string, headers: Record<string, string>): Promise<Outcome> => {
    const [method = '', template = ''] = key.split(' ');
    const path = `/api/v1${template.replaceAll(/:(\w+)/g, (_all, name: string) => (name === 'version' ? '7' : 'nothing'))}`;
    // The body is empty: permitted calls fail validation, so nothing is changed.
    return method === 'GET' ? http(method, path, headers) : http(method, path, { ...headers, 'content-type': 'application/json' }, '{}');
  };

  for (const [key, action] of routes) {
    test(`${key} requires the permission of '${action}', with a key and in a console session`, async () => {
      await assertRights(key, permissionOfAction(action), (role) => nativeCall(key, bearerOf(role)));
      await assertRights(key, permissionOfAction(action), (role) => {
        const { cookie, csrf } = sessions.get(role) as Session;
        return nativeCall(key, { cookie, 'x-penstock-csrf': csrf });
      });
    });
  }

  test('the table lists exactly the routes of the API document', async () => {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '').replaceAll(/\{(\w+)\}/g, ':$1')}`),
    );
    assert.deepEqual(documented.sort(), Object.keys(routeActions).sort());
  });

  test('an invalid key or session is unauthenticated, even from loopback', async () => {
    // Only a few calls, because an address with many wrong keys is rate-limited.
    for (const key of ['GET /endpoints', 'POST /endpoints', 'POST /keys'] as const) {
      assert.equal(await nativeCall(key, { authorization: 'Bearer AKIAAAAAAAAAAAAAAAAA:wrong' }), 'unauthenticated', key);
      const [name = ''] = (sessions.get('admin') as Session).cookie.split('=');
      assert.equal(await nativeCall(key, { cookie: `${name}=wrong` }), 'unauthenticated', key);
    }
  });

  test('/metrics requires the permission to read metrics', async () => {
    await assertRights('/metrics', actions['read metrics'], (role) => http('GET', '/metrics', bearerOf(role)));
  });

  test('a transform of server files requires an additional permission', async () => {
    const folder = temporaryDirectory(); // callers with the permission start a transform, which creates its output folder
    const body = JSON.stringify({ model: 'digits/1', input: join(folder, 'missing'), output: join(folder, 'out') });
    await assertRights('POST /transforms', actions['use files of the server'], (role) =>
      http('POST', '/api/v1/transforms', { ...bearerOf(role), 'content-type': 'application/json' }, body),
    );
  });
});

describe('Open Inference Protocol over REST', () => {
  for (const [kind, { action, method, path }] of Object.entries(restOperations)) {
    test(`${kind} requires the permission of '${action}'`, async () => {
      await assertRights(kind, permissionOfAction(action), (role) =>
        http(method, path.replace('{m}', 'nothing'), bearerOf(role), method === 'POST' ? '{}' : undefined),
      );
    });
  }
});

describe('Open Inference Protocol over gRPC', () => {
  const [permissionDenied, unauthenticated] = [7, 16];
  const outcomeOf = (code: number | null): Outcome =>
    code === permissionDenied ? 'denied' : code === unauthenticated ? 'unauthenticated' : 'passed';
  const streaming = ['ModelStreamInfer', 'Watch', 'ServerReflectionInfo'];

  /** The status of a stream that is ended immediately. */
  async function streamCode(headers: Record<string, string>): Promise<number> {
    const session = rawConnection(address);
    const stream = rawCall(session, 'ModelStreamInfer', headers);
    try {
      stream.end().resume();
      const status = Promise.withResolvers<number>();
      for (const event of ['response', 'trailers'] as const) {
        stream.on(event, (sent: Record<string, unknown>) => {
          if (sent['grpc-status'] !== undefined) status.resolve(Number(sent['grpc-status']));
        });
      }
      return await status.promise;
    } finally {
      session.close();
    }
  }

  for (const [method, action] of Object.entries(grpcActions)) {
    if (streaming.includes(method)) continue;
    test(`${method} requires the permission of '${action}'`, async () => {
      await assertRights(method, permissionOfAction(action), async (role) => {
        const service = method === 'Check' ? 'health' : 'inference';
        const { refused } = await grpc.call(method, {}, { metadata: bearerOf(role) }, service);
        return outcomeOf(refused?.code ?? null);
      });
    });
  }

  test('the alternative repository service and streams require the same permissions', async () => {
    await assertRights('MLServer', actions['load endpoint'], async (role) => {
      const path = '/inference.model_repository.ModelRepositoryService/RepositoryModelLoad';
      const { refused } = await grpc.callBytes(path, Buffer.alloc(0), { metadata: bearerOf(role) });
      return outcomeOf(refused?.code ?? null);
    });
    await assertRights('ModelStreamInfer', actions[grpcActions.ModelStreamInfer], async (role) =>
      outcomeOf(await streamCode(bearerOf(role))),
    );
  });
});

describe('AWS services', () => {
  const scopes: Record<string, { readonly scope: string; readonly target: string; readonly version?: string }> = {
    sagemaker: { scope: 'sagemaker', target: 'SageMaker' },
    'application-autoscaling': { scope: 'application-autoscaling', target: 'AnyScaleFrontendService' },
    cloudwatch: { scope: 'monitoring', target: 'GraniteServiceVersion20100801', version: '1.0' },
    logs: { scope: 'logs', target: 'Logs_20140328' },
    cloudtrail: { scope: 'cloudtrail', target: 'CloudTrail_20131101' },
    events: { scope: 'events', target: 'AWSEvents' },
  };
  const denied = /AccessDenied|is not authorized to perform/;
  const outcomeOf = ({ status, body }: { readonly status: number; readonly body: string }): Outcome => {
    if (status >= 400 && denied.test(body)) return 'denied'; // responses with quoted errors, such as the audit log, are not errors themselves
    return status === 403 ? 'unauthenticated' : 'passed';
  };

  for (const [name, { scope, target, version }] of Object.entries(scopes)) {
    test(`${name}: each operation requires the permission of its action for any input`, async () => {
      for (const [operation, row] of Object.entries(awsOperations[name] ?? {})) {
        for (const input of inputsOf(operation)) {
          await assertRights(`${operation} ${JSON.stringify(input)}`, permissionOf(row, input), async (role) =>
            outcomeOf(
              await sendSigned(server.url, { key: keyOf(role), service: scope, ...json(`${target}.${operation}`, input, version) }),
            ),
          );
        }
      }
    });

    test(`${name}: serves exactly the operations in the table`, async () => {
      const { body } = await sendSigned(server.url, { key: keyOf('admin'), service: scope, ...json(`${target}.Nothing`, {}, version) });
      const [, supported = ''] = /expected one of ([\w, ]+)/.exec(body) ?? [];
      assert.deepEqual(supported.split(', ').sort(), Object.keys(awsOperations[name] ?? {}).sort());
    });
  }

  for (const [service, operation, fields] of [
    ['sts', 'GetCallerIdentity', ''],
    ['sts', 'AssumeRole', '&RoleArn=arn:aws:iam::000000000000:role/any&RoleSessionName=test'],
    ['iam', 'GetRole', '&RoleName=any'],
    ['iam', 'SimulatePrincipalPolicy', '&PolicySourceArn=arn:aws:iam::000000000000:role/any&ActionNames.member.1=s3:GetObject'],
  ] as const) {
    test(`${service}: any key may call ${operation}`, async () => {
      assert.equal(awsOperation(service, operation).action, null);
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const body = `Action=${operation}&Version=2011-06-15${fields}`;
      await assertRights(operation, null, async (role) =>
        outcomeOf(await sendSigned(server.url, { key: keyOf(role), service, headers, body })),
      );
    });
  }

  test('the runtime requires the permission to invoke', async () => {
    for (const call of ['invocations', 'async-invocations', 'invocations-response-stream']) {
      await assertRights(call, actions['invoke endpoint'], async (role) =>
        outcomeOf(await sendSigned(server.url, { key: keyOf(role), service: 'sagemaker', path: `/endpoints/nothing/${call}`, body: '{}' })),
      );
    }
  });

  test('S3: each operation requires the permission of its action', async () => {
    const requests: Record<keyof typeof s3Actions, readonly [string, string, Record<string, string>?]> = {
      ListBuckets: ['GET', '/'],
      CreateBucket: ['PUT', '/UPPER'], // an invalid bucket name
      HeadBucket: ['HEAD', '/nothing-here'],
      DeleteBucket: ['DELETE', '/nothing-here'],
      GetBucketLocation: ['GET', '/nothing-here?location'],
      GetBucketVersioning: ['GET', '/nothing-here?versioning'],
      GetBucketEncryption: ['GET', '/nothing-here?encryption'],
      PutBucketEncryption: ['PUT', '/nothing-here?encryption'],
      DeleteBucketEncryption: ['DELETE', '/nothing-here?encryption'],
      GetBucketOwnershipControls: ['GET', '/nothing-here?ownershipControls'],
      PutBucketOwnershipControls: ['PUT', '/nothing-here?ownershipControls'],
      DeleteBucketOwnershipControls: ['DELETE', '/nothing-here?ownershipControls'],
      GetPublicAccessBlock: ['GET', '/nothing-here?publicAccessBlock'],
      PutPublicAccessBlock: ['PUT', '/nothing-here?publicAccessBlock'],
      DeletePublicAccessBlock: ['DELETE', '/nothing-here?publicAccessBlock'],
      GetBucketTagging: ['GET', '/nothing-here?tagging'],
      PutBucketTagging: ['PUT', '/nothing-here?tagging'],
      DeleteBucketTagging: ['DELETE', '/nothing-here?tagging'],
      PutBucketVersioning: ['PUT', '/nothing-here?versioning'],
      GetBucketPolicy: ['GET', '/nothing-here?policy'],
      GetBucketPolicyStatus: ['GET', '/nothing-here?policyStatus'],
      ListObjects: ['GET', '/nothing-here'],
      ListObjectsV2: ['GET', '/nothing-here?list-type=2'],
      ListMultipartUploads: ['GET', '/nothing-here?uploads'],
      ListParts: ['GET', '/nothing-here/key?uploadId=u'],
      GetObject: ['GET', '/nothing-here/key'],
      HeadObject: ['HEAD', '/nothing-here/key'],
      GetObjectTagging: ['GET', '/nothing-here/key?tagging'],
      PutObject: ['PUT', '/nothing-here/key'],
      CopyObject: ['PUT', '/nothing-here/key', { 'x-amz-copy-source': '/nothing-here/other' }],
      CreateMultipartUpload: ['POST', '/nothing-here/key?uploads'],
      UploadPart: ['PUT', '/nothing-here/key?uploadId=u&partNumber=1'],
      UploadPartCopy: ['PUT', '/nothing-here/key?uploadId=u&partNumber=1', { 'x-amz-copy-source': '/nothing-here/other' }],
      CompleteMultipartUpload: ['POST', '/nothing-here/key?uploadId=u'],
      AbortMultipartUpload: ['DELETE', '/nothing-here/key?uploadId=u'],
      DeleteObject: ['DELETE', '/nothing-here/key'],
      DeleteObjects: ['POST', '/nothing-here?delete'],
    };
    for (const [operation, [method, path, headers = {}]] of Object.entries(requests)) {
      if (operation === 'CreateBucket') continue; // its name is validated first: see below
      await assertRights(operation, actions[s3Actions[operation as keyof typeof s3Actions]], async (role) => {
        const { status, body } = await sendSigned(server.url, { key: keyOf(role), service: 's3', method, path, headers });
        // The response to HEAD has no body.
        return method === 'HEAD' ? (status === 403 ? 'denied' : 'passed') : outcomeOf({ status, body });
      });
    }
    await assertRights('CreateBucket', actions[s3Actions.CreateBucket], async (role) =>
      outcomeOf(await sendSigned(server.url, { key: keyOf(role), service: 's3', method: 'PUT', path: `/created-by-${role}` })),
    );
  });

  test('S3: objects written by the server are readable with the permission of the native API', async () => {
    const { id } = await server.callWell<{ id: string }>('POST', '/endpoints/digits/async', { instances: [Array(64).fill(0)] });
    let request = { state: '', output: '' };
    await until('the request has succeeded', async () => {
      request = await server.callWell('GET', `/async/${id}`);
      return request.state === 'succeeded';
    });
    const path = request.output.replace('s3:/', '');
    assert.equal(originActions.output, routeActions['GET /async/:id/output']);
    for (const method of ['GET', 'HEAD']) {
      await assertRights(`${method} ${path}`, actions[originActions.output], async (role) => {
        const { status } = await sendSigned(server.url, { key: keyOf(role), service: 's3', method, path });
        return status === 403 ? 'denied' : 'passed';
      });
    }
  });
});

test('each action is performed by an operation: none is unused', () => {
  const performed = new Set<Action | null>([
    ...Object.values(routeActions),
    ...Object.values(restOperations).map(({ action }) => action),
    ...Object.values(grpcActions),
    ...Object.values(s3Actions),
    ...Object.values(originActions),
    runtimeAction,
    'use files of the server',
  ]);
  for (const operations of Object.values(awsOperations)) {
    for (const [operation, { action }] of Object.entries(operations)) {
      for (const input of inputsOf(operation)) performed.add(typeof action === 'function' ? action(input) : action);
    }
  }
  assert.deepEqual(
    Object.keys(actions).filter((action) => !performed.has(action as Action)),
    [],
  );
});

/** The inputs that decide which action an operation performs, and an empty one. */
function inputsOf(operation: string): readonly Record<string, unknown>[] {
  const provided = { ModelPackageGroupName: 'nothing', ModelPackageArn: 'nothing' };
  if (!/^(?:Create|Update)ModelPackage$/.test(operation)) return [{}];
  const deciding = [
    { ModelApprovalStatus: 'Approved' },
    { ModelApprovalStatus: 'Rejected' },
    { ModelApprovalStatus: 'PendingManualApproval' },
  ];
  return [{}, ...[...deciding, { ApprovalDescription: 'x' }].map((each) => ({ ...provided, ...each }))];
}

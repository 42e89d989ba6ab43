/** Routes of model groups and their versions. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import type { ModelGroup, ModelRuntime, ModelVersion } from '../registry/index.ts';
import { approvals, type GroupBody, groupBody, pageOf, registeredBody, type VersionBody, versionBody } from './bodies.ts';
import { given, groupPath, jsonParameter, pageByOffset, pageQuery, switchParameter, timeOf, versionPath } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const words = z.record(z.string(), z.string());
const metrics = z.record(z.string(), z.number());

const registrationQuery = z.strictObject({
  name: z.string().max(1024).optional().describe('The name of the file.'),
  description: z.string().optional(),
  metadata: jsonParameter(words).describe('JSON object of texts.'),
  metrics: jsonParameter(metrics).describe('JSON object of numbers, such as {"accuracy":0.98}.'),
  tags: jsonParameter(words).describe('JSON object of texts.'),
  image: z.string().max(255).optional().describe('The container image that would serve it; the images table says what that is here.'),
  environment: jsonParameter(words).describe('JSON object of texts: variables for the process, on top of those of its image.'),
  reuse: switchParameter.describe('Take the version that has the same bytes, if the group has one.'),
});

export function groupRoutes({ registry }: ApiServices): Route[] {
  return [
    route('GET /groups', {
      summary: 'List the model groups',
      query: pageQuery,
      answer: pageOf(groupBody),
      handle: ({ query }) => pageByOffset(query, (page) => registry.groups(page), groupBodyOf),
    }),
    route('POST /groups', {
      summary: 'Create a model group',
      body: z.strictObject({ name: z.string(), description: z.string().optional(), tags: words.optional() }),
      answer: groupBody,
      status: 201,
      handle: async ({ body: { name, description, tags }, caller }) =>
        groupBodyOf(await registry.createGroup({ name, ...given({ description, tags }), who: caller.keyId })),
    }),
    route('GET /groups/:group', {
      summary: 'Describe a model group',
      params: groupPath,
      answer: groupBody,
      handle: async ({ params }) => groupBodyOf(await registry.describeGroup(params.group)),
    }),
    route('DELETE /groups/:group', {
      summary: 'Delete a model group that is empty',
      params: groupPath,
      handle: ({ params, caller }) => registry.deleteGroup(params.group, caller.keyId),
    }),
  ];
}

export function versionRoutes({ registry }: ApiServices): Route[] {
  return [
    route('GET /groups/:group/versions', {
      summary: 'List the versions of a model group, the latest first',
      params: groupPath,
      query: pageQuery,
      answer: pageOf(versionBody),
      handle: ({ params, query }) => pageByOffset(query, (page) => registry.versions(params.group, page), versionBodyOf),
    }),
    route('POST /groups/:group/versions', {
      summary: 'Register a model version',
      description:
        'The body is the ONNX file itself, of any size; its group is made where it is missing. With an image that is a process it is ' +
        'a .tar or .tar.gz of what that needs.',
      params: groupPath,
      query: registrationQuery,
      raw: ['application/octet-stream'],
      answer: registeredBody,
      status: 201,
      handle: async ({ params, query, caller, request }) => {
        if (request.headers['content-encoding'] !== undefined) {
          throw new PlatformError('unsupported', 'model files are taken as they are: send the file without content-encoding');
        }
        const { name = 'model.onnx', description, metadata, metrics: measured, tags, image, environment, reuse } = query;
        const registration = await registry.register({
          group: params.group,
          source: uploadOf(request),
          sourceName: name,
          ...given({ description, metadata, metrics: measured, tags, image, environment }),
          who: caller.keyId,
          reuse,
        });
        return { version: versionBodyOf(registration.version), reused: registration.reused };
      },
    }),
    route('GET /groups/:group/versions/:version', {
      summary: 'Describe a model version',
      params: versionPath,
      answer: versionBody,
      handle: async ({ params }) => versionBodyOf(await registry.version(params.group, params.version)),
    }),
    route('PATCH /groups/:group/versions/:version', {
      summary: 'Change what is said about a model version',
      params: versionPath,
      body: z.strictObject({
        description: z.string().optional(),
        metadata: words.optional(),
        metrics: metrics.optional(),
        tags: words.optional(),
      }),
      answer: versionBody,
      handle: async ({ params, body, caller }) =>
        versionBodyOf(await registry.update(params.group, params.version, given(body), caller.keyId)),
    }),
    route('DELETE /groups/:group/versions/:version', {
      summary: 'Delete a model version that no endpoint uses',
      params: versionPath,
      handle: ({ params, caller }) => registry.deleteVersion(params.group, params.version, caller.keyId),
    }),
    route('POST /groups/:group/versions/:version/approval', {
      summary: 'Approve or reject a model version',
      params: versionPath,
      body: z.strictObject({ approval: z.enum(approvals), note: z.string().optional() }),
      answer: versionBody,
      handle: async ({ params, body: { approval, note }, caller }) =>
        versionBodyOf(await registry.setApproval(params.group, params.version, approval, { who: caller.keyId, ...given({ note }) })),
    }),
  ];
}

/** The body as it comes in. A registration that refuses it half-way does not cut the connection its answer goes through. */
export async function* uploadOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  } catch (cause) {
    throw new PlatformError('invalid_request', 'the upload broke off before its end: send the file again', { cause });
  }
}

export function groupBodyOf(group: ModelGroup): GroupBody {
  return {
    name: group.name,
    description: group.description,
    tags: group.tags,
    created_at: timeOf(group.createdAtMs),
    versions: group.versions,
    latest_version: group.latestVersion,
    latest_approved: group.latestApproved,
  };
}

function runtimeBodyOf(runtime: ModelRuntime): VersionBody['runtime'] {
  if (runtime.kind === 'onnx') return { kind: 'onnx' };
  const { image, command, environment, concurrency } = runtime;
  return { kind: 'process', image, command: [...command], environment, concurrency };
}

export function versionBodyOf(version: ModelVersion): VersionBody {
  const { group, name, approval, description, metadata, tags, opsets, producer, properties, batchable } = version;
  return {
    name,
    group,
    version: version.version,
    approval,
    approval_changed_by: version.approvalChangedBy,
    approval_changed_at: version.approvalChangedAtMs === null ? null : timeOf(version.approvalChangedAtMs),
    approval_note: version.approvalNote,
    description,
    metadata,
    metrics: version.metrics,
    tags,
    artifact: version.artifact,
    source_sha256: version.sourceSha256,
    source_name: version.sourceName,
    signature: {
      inputs: version.signature.inputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
      outputs: version.signature.outputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    },
    opsets,
    producer,
    properties,
    notes: [...version.notes],
    batchable,
    batchable_reason: version.batchableReason,
    runtime: runtimeBodyOf(version.runtime),
    created_by: version.createdBy,
    created_at: timeOf(version.createdAtMs),
  };
}

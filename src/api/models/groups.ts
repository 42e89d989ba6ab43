/** Routes of model groups and their versions. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { defined } from '../../defined.ts';
import { PlatformError } from '../../errors.ts';
import type { OpeningStage } from '../../python-model.ts';
import type { ModelGroup, ModelRuntime, ModelVersion, PythonModel } from '../../registry/index.ts';
import { isDatatype } from '../../tensor.ts';
import { type GroupBody, groupBody, type importsBody, pageBody, registeredBody, type VersionBody, versionBody } from '../bodies.ts';
import { groupPath, isoTime, jsonParameter, pageByOffset, pageQuery, switchParameter, versionPath } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { signatureBodyOf } from './signature-body.ts';

const stringMap = z.record(z.string(), z.string());
const metrics = z.record(z.string(), z.number());

const declaredInput = z.strictObject({
  name: z.string().min(1).max(256),
  datatype: z.string().refine(isDatatype, 'expected a datatype such as FP32'),
  shape: z.array(z.int().min(-1)).min(1).max(32),
});

const registrationQuery = z.strictObject({
  name: z.string().max(1024).optional().describe('The name of the file.'),
  description: z.string().optional(),
  metadata: jsonParameter(stringMap).describe('JSON object with string values.'),
  metrics: jsonParameter(metrics).describe('JSON object with numeric values, for example {"accuracy":0.98}.'),
  tags: jsonParameter(stringMap).describe('JSON object with string values.'),
  image: z.string().max(255).optional().describe('Container image that serves the model; the images table maps it to a local command.'),
  environment: jsonParameter(stringMap).describe(
    'JSON object with string values: environment variables of the process, added to those of the image; or of a Python model.',
  ),
  python_environment: z
    .string()
    .max(64)
    .optional()
    .describe('Environment in which a Python model runs. Default: that of its own requirements, else the default of the server.'),
  inputs: jsonParameter(z.array(declaredInput).min(1).max(64)).describe(
    'JSON array of the inputs of a TorchScript file, which does not say them: [{"name":"x","datatype":"FP32","shape":[-1,30]}].',
  ),
  reuse: switchParameter.describe('Return an existing version with the same bytes instead of creating a new one.'),
});

export function groupRoutes({ registry }: Pick<ApiServices, 'registry'>): ApiRoute[] {
  return [
    apiRoute('GET /groups', {
      summary: 'List the model groups',
      query: pageQuery,
      answer: pageBody(groupBody),
      handle: ({ query }) => pageByOffset(query, (page) => registry.groups(page), groupBodyOf),
    }),
    apiRoute('POST /groups', {
      summary: 'Create a model group',
      body: z.strictObject({ name: z.string(), description: z.string().optional(), tags: stringMap.optional() }),
      answer: groupBody,
      status: 201,
      handle: async ({ body: { name, description, tags }, caller }) =>
        groupBodyOf(await registry.createGroup({ name, ...defined({ description, tags }), who: caller.keyId })),
    }),
    apiRoute('GET /groups/:group', {
      summary: 'Describe a model group',
      params: groupPath,
      answer: groupBody,
      handle: async ({ params }) => groupBodyOf(await registry.describeGroup(params.group)),
    }),
    apiRoute('DELETE /groups/:group', {
      summary: 'Delete an empty model group',
      params: groupPath,
      handle: ({ params, caller }) => registry.deleteGroup(params.group, caller.keyId),
    }),
  ];
}

export function versionRoutes({ registry }: Pick<ApiServices, 'registry'>): ApiRoute[] {
  const bodyOf = (version: ModelVersion): VersionBody => versionBodyOf(version, registry.openings?.stageOf(version));
  return [
    apiRoute('GET /groups/:group/versions', {
      summary: 'List the versions of a model group, newest first',
      params: groupPath,
      query: pageQuery,
      answer: pageBody(versionBody),
      handle: ({ params, query }) => pageByOffset(query, (page) => registry.versions(params.group, page), bodyOf),
    }),
    apiRoute('POST /groups/:group/versions', {
      summary: 'Register a model version',
      description:
        'The body is the ONNX file, of any size, or a .tar, .tar.gz or .zip with one ONNX file and its external data; or a Python model: a ' +
        'file of scikit-learn, XGBoost or another library, or an archive of a folder with a model. None of its code runs before its ' +
        'approval. A missing group is created. If the image is a process, the body is a .tar or .tar.gz archive with its files.',
      params: groupPath,
      query: registrationQuery,
      raw: ['application/octet-stream'],
      isUpload: true,
      answer: registeredBody,
      status: 201,
      handle: async ({ params, query, caller, request }) => {
        checkUnencoded(request);
        const { name = 'model.onnx', metrics: measured, reuse, python_environment: pythonEnvironment, ...others } = query;
        const registration = await registry.register({
          group: params.group,
          source: uploadOf(request),
          sourceName: name,
          ...defined({ ...others, metrics: measured, pythonEnvironment }),
          who: caller.keyId,
          reuse,
        });
        return { version: versionBodyOf(registration.version), reused: registration.reused };
      },
    }),
    apiRoute('GET /groups/:group/versions/:version', {
      summary: 'Describe a model version',
      params: versionPath,
      answer: versionBody,
      handle: async ({ params }) => bodyOf(await registry.version(params.group, params.version)),
    }),
    apiRoute('PATCH /groups/:group/versions/:version', {
      summary: 'Update the description, metadata, metrics or tags of a model version',
      params: versionPath,
      body: z.strictObject({
        description: z.string().optional(),
        metadata: stringMap.optional(),
        metrics: metrics.optional(),
        tags: stringMap.optional(),
      }),
      answer: versionBody,
      handle: async ({ params, body, caller }) =>
        versionBodyOf(await registry.update(params.group, params.version, defined(body), caller.keyId)),
    }),
    apiRoute('DELETE /groups/:group/versions/:version', {
      summary: 'Delete a model version that no endpoint uses',
      params: versionPath,
      handle: ({ params, caller }) => registry.deleteVersion(params.group, params.version, caller.keyId),
    }),
  ];
}

function checkUnencoded({ headers }: IncomingMessage): void {
  if (headers['content-encoding'] === undefined) return;
  throw new PlatformError('unsupported', 'content-encoding is not supported for model files: send the file unencoded');
}

/** Streams the body. Keeps the connection open if the registration fails half-way, so that the error response can be sent. */
export async function* uploadOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  } catch (cause) {
    throw new PlatformError('invalid_request', 'the upload ended early: send the file again', { cause });
  }
}

export function groupBodyOf(group: ModelGroup): GroupBody {
  return {
    name: group.name,
    description: group.description,
    tags: group.tags,
    created_at: isoTime(group.createdAtMs),
    versions: group.versions,
    latest_version: group.latestVersion,
    latest_approved: group.latestApproved,
  };
}

function artifactBodyOf({ sha256, bytes, files }: ModelVersion['artifact']): VersionBody['artifact'] {
  return files === undefined ? { sha256, bytes } : { sha256, bytes, files: files.map((file) => ({ ...file })) };
}

export function importsBodyOf(imports: PythonModel['recognised']['imports']): z.infer<typeof importsBody> {
  return imports === null ? null : { all: [...imports.all], outside: [...imports.outside] };
}

function pythonBodyOf({ recognised, facts, ...model }: PythonModel, stage: OpeningStage | null): VersionBody['python'] {
  const { imports, libraries, requirements = null, columns } = recognised;
  return {
    state: model.state,
    stage: model.state === 'opening' ? stage : null,
    requested_by: model.requestedBy,
    requested_at: model.requestedAtMs === null ? null : isoTime(model.requestedAtMs),
    reason: model.reason,
    last_lines: [...model.lastLines],
    imports: importsBodyOf(imports),
    needs: [...libraries],
    requirements,
    has_sample: model.hasSample,
    python: facts?.python ?? null,
    libraries: facts?.libraries ?? null,
    columns: facts?.columns?.map(({ name }) => name) ?? (columns === undefined ? null : [...columns]),
    classes: facts?.classes === undefined ? null : [...facts.classes],
  };
}

function runtimeBodyOf(runtime: ModelRuntime): VersionBody['runtime'] {
  if (runtime.kind === 'onnx') return { kind: 'onnx' };
  if (runtime.kind === 'python') {
    // Values can be secrets: a note of the version names the variables. Inputs are in the signature, libraries in `python`.
    const { variables: _values, inputs: _declared, libraries: _versions, ...shown } = runtime;
    return { ...shown, environment: { ...runtime.environment }, modules: [...runtime.modules] };
  }
  const { image, command, environment, concurrency, access } = runtime;
  const paths = access === undefined || access.paths.length === 0 ? {} : { paths: [...access.paths] };
  const isolation = access?.isIsolated === false ? { isolation: 'none' as const } : {};
  return { kind: 'process', image, command: [...command], environment, concurrency, ...paths, ...isolation };
}

/** `stage`: what the running opening of a Python model does now. */
export function versionBodyOf(version: ModelVersion, stage: OpeningStage | null = null): VersionBody {
  const { group, name, approval, description, metadata, tags, opsets, producer, properties, batchable } = version;
  return {
    name,
    group,
    version: version.version,
    approval,
    approval_changed_by: version.approvalChangedBy,
    approval_changed_at: version.approvalChangedAtMs === null ? null : isoTime(version.approvalChangedAtMs),
    approval_note: version.approvalNote,
    description,
    metadata,
    metrics: version.metrics,
    tags,
    artifact: artifactBodyOf(version.artifact),
    source_sha256: version.sourceSha256,
    source_name: version.sourceName,
    signature: signatureBodyOf(version.signature),
    opsets,
    producer,
    properties,
    notes: [...version.notes],
    batchable,
    batchable_reason: version.batchableReason,
    runtime: runtimeBodyOf(version.runtime),
    python: version.python === undefined ? null : pythonBodyOf(version.python, stage),
    created_by: version.createdBy,
    created_at: isoTime(version.createdAtMs),
  };
}

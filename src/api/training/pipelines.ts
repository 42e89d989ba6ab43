/** Routes of pipelines: a file closes the loop from training to deployment. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { type Caller, hasPermission, permissionFor } from '../../access/index.ts';
import { redactAddresses } from '../../alerts/index.ts';
import { PlatformError } from '../../errors.ts';
import { type AddedSource, type Pipeline, type PipelineGit, type Pipelines, yamlBytesMax } from '../../training/index.ts';
import { pageBody } from '../bodies.ts';
import { uploadOf } from '../models/groups.ts';
import { pageByOffset, pageQuery } from '../routing/parameters.ts';
import { boundaryOf, readForm } from '../routing/read-form.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import {
  type PipelineDetailBody,
  pipelineBody,
  pipelineBodyOf,
  pipelineDetailBody,
  pipelinePlanBody,
  pipelinePlanBodyOf,
  pipelineRunBody,
  pipelineRunBodyOf,
  startedRunBody,
} from './pipeline-bodies.ts';
import { ensureTrainingBucket } from './training-upload.ts';

type Services = Pick<ApiServices, 'pipelines' | 'training' | 's3'>;

const pipelinePath = z.strictObject({ pipeline: z.string().max(200) });
const runPath = pipelinePath.extend({ run: z.coerce.number().int().min(1) });
const gitInput = z.strictObject({ commit: z.string().regex(/^[0-9a-f]{7,64}$/), dirty: z.boolean() });
const gitBytesMax = 1024;

const formText =
  'A form (`multipart/form-data`) with the parts `file` (YAML), `source` (a tar or tar.gz archive of the code; left out: that of the ' +
  'revision before) and `git` (JSON with `commit` and `dirty`, optional); or the YAML alone as `application/yaml`.';

export function pipelineRoutes(services: Services): ApiRoute[] {
  const { pipelines } = services;
  return [
    apiRoute('GET /pipelines', {
      summary: 'List the pipelines',
      query: pageQuery,
      answer: pageBody(pipelineBody),
      handle: ({ query }) =>
        pageByOffset(
          query,
          ({ limit, offset }) => pipelines.list().slice(offset, offset + limit),
          (pipeline) => withLastRun(pipelines, pipeline),
        ),
    }),
    apiRoute('POST /pipelines', {
      summary: 'Apply the file of a pipeline: its next revision',
      description: `${formText} Runs have the rights of the caller, who needs the permission of each step: register, deploy, and approve for approve.when better or always.`,
      raw: ['multipart/form-data', 'application/yaml'],
      isUpload: true,
      answer: pipelineDetailBody,
      handle: ({ request, caller }) =>
        withFile(services, request, caller, async (provided) => detailOf(pipelines, await pipelines.apply(provided, caller), caller)),
    }),
    apiRoute('POST /plan/pipeline', {
      summary: 'Check the file of a pipeline, and show what its next run would do',
      description: `${formText} Nothing is stored.`,
      raw: ['multipart/form-data', 'application/yaml'],
      isUpload: true,
      answer: pipelinePlanBody,
      handle: ({ request, caller }) =>
        withFile(services, request, caller, async (provided) => {
          const plan = await pipelines.plan(provided, caller);
          await provided.source?.discard();
          return pipelinePlanBodyOf(plan);
        }),
    }),
    apiRoute('GET /pipelines/:pipeline', {
      summary: 'Get a pipeline with its file',
      description: 'Callers who may not change pipelines get the addresses in it without their secret parts.',
      params: pipelinePath,
      answer: pipelineDetailBody,
      handle: ({ params, caller }) => detailOf(pipelines, pipelines.get(params.pipeline), caller),
    }),
    apiRoute('DELETE /pipelines/:pipeline', {
      summary: 'Delete a pipeline with its revisions and runs; what they made stays',
      params: pipelinePath,
      handle: ({ params, caller }) => pipelines.delete(params.pipeline, caller.keyId),
    }),
    ...(['enable', 'disable'] as const).map((verb) =>
      apiRoute(`POST /pipelines/:pipeline/${verb}`, {
        summary: verb === 'enable' ? 'Let the triggers of a pipeline start runs' : 'Let a pipeline run only by hand',
        params: pipelinePath,
        answer: pipelineDetailBody,
        handle: async ({ params, caller }) =>
          detailOf(pipelines, await pipelines.setEnabled(params.pipeline, verb === 'enable', caller.keyId), caller),
      }),
    ),
    ...runRoutes(pipelines),
  ];
}

function runRoutes(pipelines: Pipelines): ApiRoute[] {
  return [
    apiRoute('GET /pipelines/:pipeline/runs', {
      summary: 'List the runs of a pipeline, newest first',
      params: pipelinePath,
      query: pageQuery,
      answer: pageBody(pipelineRunBody),
      handle: ({ params, query }) => pageByOffset(query, (page) => pipelines.runs(params.pipeline, page), pipelineRunBodyOf),
    }),
    apiRoute('POST /pipelines/:pipeline/runs', {
      summary: 'Start a run, or let the next one wait for the one in progress',
      params: pipelinePath,
      body: z.strictObject({
        parameters: z.record(z.string().max(64), z.string().max(2500)).optional().describe('Values that replace the defaults of the file.'),
      }),
      answer: startedRunBody,
      status: 202,
      handle: async ({ params, body, caller }) => {
        const run = await pipelines.run(params.pipeline, body.parameters ?? {}, caller.keyId);
        return { run: run === null ? null : pipelineRunBodyOf(run) };
      },
    }),
    apiRoute('GET /pipelines/:pipeline/runs/:run', {
      summary: 'Get a run',
      params: runPath,
      answer: pipelineRunBody,
      handle: async ({ params }) => pipelineRunBodyOf(await pipelines.runOf(params.pipeline, params.run)),
    }),
    apiRoute('POST /pipelines/:pipeline/runs/:run/stop', {
      summary: 'Stop a run with the training job or evaluation of its step',
      params: runPath,
      answer: pipelineRunBody,
      handle: async ({ params, caller }) => pipelineRunBodyOf(await pipelines.stop(params.pipeline, params.run, caller.keyId)),
    }),
  ];
}

async function withLastRun(pipelines: Pipelines, pipeline: Pipeline) {
  const [last] = await pipelines.runs(pipeline.name, { limit: 1 });
  return pipelineBodyOf(pipeline, pipelines.nextDueMs(pipeline), last ?? null);
}

async function detailOf(pipelines: Pipelines, pipeline: Pipeline, caller: Pick<Caller, 'role'>): Promise<PipelineDetailBody> {
  return { ...(await withLastRun(pipelines, pipeline)), file: fileFor(caller, pipeline) };
}

/** Addresses of webhooks contain keys, which callers who may not change the pipeline must not see. Public for tests. */
export function fileFor(
  { role }: Pick<Caller, 'role'>,
  { file, spec: { notify } }: Pick<Pipeline, 'file'> & { readonly spec: Pick<Pipeline['spec'], 'notify'> },
): string {
  if (hasPermission(role, permissionFor('change pipeline'))) return file;
  // YAML can write an address with escapes or on two lines.
  const isFound = notify.every((url) => file.includes(url));
  return isFound ? redactAddresses(file) : '# hidden: it has addresses that cannot be redacted. Read it with a key that may deploy.\n';
}

interface ReceivedFile {
  readonly file: string;
  readonly source: AddedSource | null;
  readonly git: PipelineGit | null;
}

/** Receives the file and its code, which is deleted again if `use` throws. */
async function withFile<T>(
  services: Services,
  request: IncomingMessage,
  caller: Caller,
  use: (received: ReceivedFile) => Promise<T>,
): Promise<T> {
  const { 'content-type': type = '' } = request.headers;
  if (/^application\/yaml\s*(?:;|$)/i.test(type)) {
    const file = await textOf(uploadOf(request), yamlBytesMax);
    await ensureTrainingBucket(services.s3, caller.keyId);
    return use({ file, source: null, git: null });
  }
  const received: { file: string | null; source: AddedSource | null; git: PipelineGit | null } = { file: null, source: null, git: null };
  try {
    for await (const { name, content } of readForm(uploadOf(request), boundaryOf(type))) {
      if (name === 'file' && received.file === null) received.file = await textOf(content, yamlBytesMax);
      else if (name === 'git' && received.git === null) received.git = gitIn(await textOf(content, gitBytesMax));
      else if (name === 'source' && received.source === null) received.source = await services.training.addSource(Readable.from(content));
      else throw invalid(`unexpected part '${name.slice(0, 80)}': expected one file, one source and one git`);
    }
    if (received.file === null) throw invalid('the form has no part file: expected the YAML of the pipeline');
    await ensureTrainingBucket(services.s3, caller.keyId);
    return await use({ ...received, file: received.file });
  } catch (error) {
    await received.source?.discard();
    throw error;
  }
}

function gitIn(text: string): PipelineGit {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('invalid_request', 'part git is not JSON', { cause });
  }
  const parsed = gitInput.safeParse(value);
  if (!parsed.success) throw invalid('part git: expected {"commit": HEX, "dirty": true or false}');
  return { commit: parsed.data.commit, isDirty: parsed.data.dirty };
}

async function textOf(content: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new PlatformError('too_large', `expected at most ${bytesMax} bytes of text: data belongs into a bucket`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

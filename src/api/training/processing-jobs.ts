/** Routes of processing jobs, which AWS clients create: to read and to stop. */
import { z } from 'zod';
import { jobNameOf, processingJobId, type TrainingJob } from '../../training/index.ts';
import { pageBody } from '../bodies.ts';
import { isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { trainingJobBody, trainingJobBodyOf, trainingLogBody, trainingStatuses } from './training-bodies.ts';

const processingPath = z.strictObject({ processing: z.string().max(200) });

const processingJobBody = trainingJobBody
  .pick({
    name: true,
    status: true,
    secondary_status: true,
    reason: true,
    transitions: true,
    host: true,
    placed_because: true,
    attempt: true,
    environment: true,
    image: true,
    command: true,
    environment_variables: true,
    instance_type: true,
    volume_gb: true,
    max_runtime_s: true,
    isolated: true,
    usage: true,
    notes: true,
    created_by: true,
    created_at: true,
    updated_at: true,
    started_at: true,
    ended_at: true,
  })
  .extend({
    exit_message: z.string().nullable().describe('What it wrote to /opt/ml/output/message.'),
    inputs: z.array(z.strictObject({ name: z.string(), source: z.string(), path: z.string() })),
    outputs: z.array(z.strictObject({ name: z.string(), path: z.string(), target: z.string().describe('`s3://bucket/prefix`.') })),
  });

export type ProcessingJobBody = z.infer<typeof processingJobBody>;

export function processingRoutes({ training }: Pick<ApiServices, 'training'>): ApiRoute[] {
  return [
    apiRoute('GET /processing-jobs', {
      summary: 'List the processing jobs, newest first',
      query: pageQuery.extend({ status: z.enum(trainingStatuses).optional() }),
      answer: pageBody(processingJobBody),
      handle: ({ query: { status, ...page } }) =>
        pageByOffset(page, (part) => training.list({ kind: 'processing', status, sortBy: 'created_at', ...part }), processingJobBodyOf),
    }),
    apiRoute('GET /processing-jobs/:processing', {
      summary: 'Get a processing job',
      params: processingPath,
      answer: processingJobBody,
      handle: async ({ params }) => processingJobBodyOf(await training.get(processingJobId(params.processing))),
    }),
    apiRoute('GET /processing-jobs/:processing/logs', {
      summary: 'Read what a processing job has printed',
      params: processingPath,
      query: z.strictObject({
        limit: z.coerce.number().int().min(1).max(10_000).default(1000).describe('Maximum number of lines.'),
        after: z.string().max(256).optional().describe('The `next` of the previous page; without it the first lines.'),
      }),
      answer: trainingLogBody,
      handle: async ({ params, query: { limit, after } }) => {
        const { lines, next } = await training.output(processingJobId(params.processing), { after: after ?? null, limit });
        return { items: lines.map(({ atMs, text }) => ({ at: isoTime(atMs), line: text })), next };
      },
    }),
    apiRoute('POST /processing-jobs/:processing/stop', {
      summary: 'Stop a processing job',
      params: processingPath,
      answer: processingJobBody,
      status: 202,
      handle: async ({ params, caller }) => processingJobBodyOf(await training.stop(processingJobId(params.processing), caller.keyId)),
    }),
  ];
}

/** Both kinds of jobs run alike, and their statuses have the names of training jobs. */
function statusOfProcessing(status: string, message: string): { status: string; message: string } {
  if (status === 'Training') return { status: 'Processing', message: 'The script is running' };
  if (status === 'Uploading') return { status, message: 'Uploading the outputs' };
  return {
    status,
    message: message
      .replace('for training', 'for processing')
      .replace('Training job', 'Processing job')
      .replace('training job', 'processing job'),
  };
}

function processingJobBodyOf(job: TrainingJob): ProcessingJobBody {
  const body = trainingJobBodyOf(job);
  const { spec } = job;
  return {
    name: jobNameOf(spec.name),
    status: body.status,
    secondary_status: body.secondary_status === 'Training' ? 'Processing' : body.secondary_status,
    reason: body.reason,
    transitions: body.transitions.map(({ status, message, ...times }) => ({ ...statusOfProcessing(status, message), ...times })),
    host: body.host,
    placed_because: body.placed_because,
    attempt: body.attempt,
    environment: body.environment,
    image: body.image,
    command: body.command,
    environment_variables: body.environment_variables,
    instance_type: body.instance_type,
    volume_gb: body.volume_gb,
    max_runtime_s: body.max_runtime_s,
    isolated: body.isolated,
    usage: body.usage,
    notes: body.notes,
    created_by: body.created_by,
    created_at: body.created_at,
    updated_at: body.updated_at,
    started_at: body.started_at,
    ended_at: body.ended_at,
    exit_message: job.exitMessage,
    inputs: spec.channels.map(({ name, path }, index) => ({ name, path: path ?? '', source: body.channels[index]?.source ?? '' })),
    outputs: spec.outputs.map(({ name, path, bucket, prefix }) => ({
      name,
      path,
      target: prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`,
    })),
  };
}

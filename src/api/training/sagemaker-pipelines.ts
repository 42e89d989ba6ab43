/** Routes of SageMaker pipelines, which AWS clients define and start: to read them, and to stop their executions. */
import { z } from 'zod';
import { pageBody } from '../bodies.ts';
import { isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices, GraphExecution, GraphPipeline } from '../routing/services.ts';

const time = z.iso.datetime();
const name = z.string().max(256);
const pipelinePath = z.strictObject({ pipeline: name });
const executionPath = z.strictObject({ pipeline: name, execution: z.string().max(64) });

const executionStatuses = ['Executing', 'Stopping', 'Stopped', 'Failed', 'Succeeded'] as const;
const stepStatuses = ['Waiting', 'Skipped', 'Executing', 'Succeeded', 'Failed', 'Stopped'] as const;

const stepBody = z.strictObject({
  name: z.string(),
  type: z.string().describe('Training, Processing, Transform, Tuning, Model, RegisterModel, Condition or Fail.'),
  after: z.array(z.string()).describe('The steps before it.'),
  branch: z
    .strictObject({ condition: z.string(), outcome: z.boolean() })
    .nullable()
    .describe('The outcome of a condition that lets it run.'),
  status: z.enum(stepStatuses),
  reason: z.string().nullable().describe('Why it failed or was stopped.'),
  made: z.string().nullable().describe('The job or model that it created, or GROUP/VERSION.'),
  outcome: z.boolean().nullable().describe('Of a condition.'),
  cached_from: z.string().nullable().describe('The execution whose result was used again.'),
  started_at: time.nullable(),
  ended_at: time.nullable(),
});

const executionBody = z.strictObject({
  id: z.string(),
  pipeline: z.string(),
  status: z.enum(executionStatuses),
  reason: z.string().nullable(),
  display_name: z.string().nullable(),
  description: z.string().nullable(),
  parameters: z.record(z.string(), z.string()),
  steps: z.array(stepBody).describe('In the order of the definition.'),
  started_by: z.string(),
  created_at: time,
  updated_at: time,
});

const sageMakerPipelineBody = z.strictObject({
  name: z.string(),
  display_name: z.string().nullable(),
  description: z.string().nullable(),
  steps: z.array(z.strictObject({ name: z.string(), type: z.string() })),
  applied_by: z.string().describe('The key whose rights executions have.'),
  created_at: time,
  updated_at: time,
  last_execution: executionBody.nullable(),
});

export type SageMakerPipelineBody = z.infer<typeof sageMakerPipelineBody>;
export type PipelineExecutionBody = z.infer<typeof executionBody>;

export function sageMakerPipelineRoutes({ sageMakerPipelines: pipelines }: Pick<ApiServices, 'sageMakerPipelines'>): ApiRoute[] {
  return [
    apiRoute('GET /sagemaker-pipelines', {
      summary: 'List the pipelines that AWS clients have created, by name',
      query: pageQuery,
      answer: pageBody(sageMakerPipelineBody),
      handle: ({ query }) => pageByOffset(query, (part) => pipelines.list(part), pipelineBodyOf),
    }),
    apiRoute('GET /sagemaker-pipelines/:pipeline', {
      summary: 'Get a pipeline that an AWS client has created',
      params: pipelinePath,
      answer: sageMakerPipelineBody,
      handle: async ({ params }) => pipelineBodyOf(await pipelines.get(params.pipeline)),
    }),
    apiRoute('GET /sagemaker-pipelines/:pipeline/executions', {
      summary: 'List the executions of a pipeline, newest first',
      params: pipelinePath,
      query: pageQuery,
      answer: pageBody(executionBody),
      handle: ({ params, query }) => pageByOffset(query, (part) => pipelines.executions(params.pipeline, part), executionBodyOf),
    }),
    apiRoute('GET /sagemaker-pipelines/:pipeline/executions/:execution', {
      summary: 'Get an execution of a pipeline with its steps',
      params: executionPath,
      answer: executionBody,
      handle: async ({ params }) => executionBodyOf(await pipelines.execution(params.pipeline, params.execution)),
    }),
    apiRoute('POST /sagemaker-pipelines/:pipeline/executions/:execution/stop', {
      summary: 'Stop an execution of a pipeline with the jobs of its steps',
      description: 'Returns at once; poll `status` until it is Stopped. The results of earlier steps stay.',
      params: executionPath,
      answer: executionBody,
      status: 202,
      handle: async ({ params, caller }) => executionBodyOf(await pipelines.stop(params.pipeline, params.execution, caller.keyId)),
    }),
  ];
}

function pipelineBodyOf(pipeline: GraphPipeline): SageMakerPipelineBody {
  const { displayName, description, who, createdAtMs, updatedAtMs, steps, lastExecution } = pipeline;
  return {
    name: pipeline.name,
    display_name: displayName,
    description,
    steps: steps.map((step) => ({ ...step })),
    applied_by: who,
    created_at: isoTime(createdAtMs),
    updated_at: isoTime(updatedAtMs),
    last_execution: lastExecution === null ? null : executionBodyOf(lastExecution),
  };
}

function executionBodyOf(execution: GraphExecution): PipelineExecutionBody {
  const { id, pipeline, status, failureReason, displayName, description, parameters, steps, startedBy, createdAtMs, updatedAtMs } =
    execution;
  return {
    id,
    pipeline,
    status,
    reason: failureReason,
    display_name: displayName,
    description,
    parameters,
    steps: steps.map((step) => ({
      name: step.name,
      type: step.type,
      after: [...step.after],
      branch: step.branch === null ? null : { ...step.branch },
      status: step.status,
      reason: step.failureReason,
      made: step.made,
      outcome: step.outcome,
      cached_from: step.cachedFrom,
      started_at: step.startedAtMs === null ? null : isoTime(step.startedAtMs),
      ended_at: step.endedAtMs === null ? null : isoTime(step.endedAtMs),
    })),
    started_by: startedBy,
    created_at: isoTime(createdAtMs),
    updated_at: isoTime(updatedAtMs),
  };
}

/** Queries of the pipelines that AWS clients define. An execution is read again each second while it runs. */
import { queryOptions } from '@tanstack/react-query';
import type { PageBody, PipelineExecutionBody, SageMakerPipelineBody } from '../../../../src/api/index.ts';
import { get, getAll, path } from '../../api/client.ts';

const runningEveryMs = 1000;
const otherwiseEveryMs = 15_000;
/** The page of a pipeline shows its latest executions. */
export const executionsShownMax = 50;

export function isExecuting(execution: Pick<PipelineExecutionBody, 'status'> | null | undefined): boolean {
  return execution?.status === 'Executing' || execution?.status === 'Stopping';
}

const everyMs = (isLive: boolean): number => (isLive ? runningEveryMs : otherwiseEveryMs);

export const sageMakerPipelinesQuery = () =>
  queryOptions({
    queryKey: ['sagemaker-pipelines'],
    queryFn: ({ signal }) => getAll<SageMakerPipelineBody>('/sagemaker-pipelines', {}, signal),
    refetchInterval: ({ state: { data } }) => everyMs(data?.items.some(({ last_execution: last }) => isExecuting(last)) === true),
  });

export const sageMakerPipelineQuery = (pipeline: string) =>
  queryOptions({
    queryKey: ['sagemaker-pipeline', pipeline],
    queryFn: ({ signal }) => get<SageMakerPipelineBody>(path('/sagemaker-pipelines/:pipeline', { pipeline }), {}, signal),
    refetchInterval: ({ state: { data } }) => everyMs(isExecuting(data?.last_execution)),
  });

export const executionsQuery = (pipeline: string, isLive: boolean) =>
  queryOptions({
    queryKey: ['sagemaker-executions', pipeline],
    queryFn: ({ signal }) =>
      get<PageBody<PipelineExecutionBody>>(
        path('/sagemaker-pipelines/:pipeline/executions', { pipeline }),
        { limit: executionsShownMax },
        signal,
      ),
    refetchInterval: everyMs(isLive),
  });

export const executionQuery = (pipeline: string, execution: string) =>
  queryOptions({
    queryKey: ['sagemaker-execution', pipeline, execution],
    queryFn: ({ signal }) =>
      get<PipelineExecutionBody>(path('/sagemaker-pipelines/:pipeline/executions/:execution', { pipeline, execution }), {}, signal),
    refetchInterval: ({ state: { data } }) => everyMs(isExecuting(data)),
  });

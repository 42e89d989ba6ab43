/** Queries of the pipelines pages. A run in progress is read again each second. */
import { queryOptions } from '@tanstack/react-query';
import type { PageBody, PipelineBody, PipelineDetailBody, PipelineRunBody } from '../../../../src/api/index.ts';
import { get, getAll, path } from '../../api/client.ts';

const runningEveryMs = 1000;
const otherwiseEveryMs = 15_000;
/** The page of a pipeline shows its latest runs. */
export const runsShownMax = 100;

export function isRunInProgress(run: Pick<PipelineRunBody, 'state'> | null | undefined): boolean {
  return run?.state === 'InProgress';
}

const everyMs = (isLive: boolean): number => (isLive ? runningEveryMs : otherwiseEveryMs);

export const pipelinesQuery = () =>
  queryOptions({
    queryKey: ['pipelines'],
    queryFn: ({ signal }) => getAll<PipelineBody>('/pipelines', {}, signal),
    refetchInterval: ({ state: { data } }) => everyMs(data?.items.some(({ last_run: run }) => isRunInProgress(run)) === true),
  });

export const pipelineQuery = (pipeline: string) =>
  queryOptions({
    queryKey: ['pipeline', pipeline],
    queryFn: ({ signal }) => get<PipelineDetailBody>(path('/pipelines/:pipeline', { pipeline }), {}, signal),
    refetchInterval: ({ state: { data } }) => everyMs(isRunInProgress(data?.last_run) || (data?.waiting ?? null) !== null),
  });

/** The latest runs. `isLive`: one is in progress. */
export const pipelineRunsQuery = (pipeline: string, isLive: boolean) =>
  queryOptions({
    queryKey: ['pipeline-runs', pipeline],
    queryFn: ({ signal }) =>
      get<PageBody<PipelineRunBody>>(path('/pipelines/:pipeline/runs', { pipeline }), { limit: runsShownMax }, signal),
    refetchInterval: everyMs(isLive),
  });

export const pipelineRunQuery = (pipeline: string, run: string) =>
  queryOptions({
    queryKey: ['pipeline-run', pipeline, run],
    queryFn: ({ signal }) => get<PipelineRunBody>(path('/pipelines/:pipeline/runs/:run', { pipeline, run }), {}, signal),
    refetchInterval: ({ state: { data } }) => everyMs(isRunInProgress(data)),
  });

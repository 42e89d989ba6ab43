/** Queries of the training pages. A running job is read again each second. */
import { queryOptions } from '@tanstack/react-query';
import type { TrainingJobBody, TrainingJobDetailBody, TrainingMetricBody } from '../../../src/api/index.ts';
import { get, getAll, path } from '../api/client.ts';

const runningEveryMs = 1000;
const otherwiseEveryMs = 15_000;

export function isJobRunning({ status }: Pick<TrainingJobBody, 'status'>): boolean {
  return status === 'InProgress' || status === 'Stopping' || status === 'Deleting';
}

export const trainingJobsQuery = () =>
  queryOptions({
    queryKey: ['training-jobs'],
    queryFn: ({ signal }) => getAll<TrainingJobBody>('/training-jobs', {}, signal),
    refetchInterval: ({ state: { data } }) => (data?.items.some(isJobRunning) === true ? runningEveryMs : otherwiseEveryMs),
  });

export const trainingJobQuery = (job: string) =>
  queryOptions({
    queryKey: ['training-job', job],
    queryFn: ({ signal }) => get<TrainingJobDetailBody>(path('/training-jobs/:job', { job }), {}, signal),
    refetchInterval: ({ state: { data } }) => (data !== undefined && isJobRunning(data) ? runningEveryMs : otherwiseEveryMs),
  });

/** The values of all metrics of a job. `isLive`: the job still reports new ones. */
export const trainingMetricsQuery = (job: string, isLive: boolean) =>
  queryOptions({
    queryKey: ['training-metrics', job, isLive],
    queryFn: ({ signal }) =>
      get<{ readonly items: readonly TrainingMetricBody[] }>(path('/training-jobs/:job/metrics', { job }), {}, signal),
    refetchInterval: isLive ? runningEveryMs : false,
  });

/** Queries of processing jobs. A running one is read again each second. */
import { queryOptions } from '@tanstack/react-query';
import type { ProcessingJobBody } from '../../../../src/api/index.ts';
import { get, getAll, path } from '../../api/client.ts';
import { isJobRunning } from '../training-queries.ts';

const runningEveryMs = 1000;
const otherwiseEveryMs = 15_000;

export const processingJobsQuery = () =>
  queryOptions({
    queryKey: ['processing-jobs'],
    queryFn: ({ signal }) => getAll<ProcessingJobBody>('/processing-jobs', {}, signal),
    refetchInterval: ({ state: { data } }) => (data?.items.some(isJobRunning) === true ? runningEveryMs : otherwiseEveryMs),
  });

export const processingJobQuery = (processing: string) =>
  queryOptions({
    queryKey: ['processing-job', processing],
    queryFn: ({ signal }) => get<ProcessingJobBody>(path('/processing-jobs/:processing', { processing }), {}, signal),
    refetchInterval: ({ state: { data } }) => (data !== undefined && isJobRunning(data) ? runningEveryMs : otherwiseEveryMs),
  });

/** Queries of tuning jobs. A running one is read again each second. */
import { queryOptions } from '@tanstack/react-query';
import type { TuningJobBody, TuningTrialBody } from '../../../../src/api/index.ts';
import { get, getAll, path } from '../../api/client.ts';

const runningEveryMs = 1000;
const otherwiseEveryMs = 15_000;

export function isTuning({ status }: Pick<TuningJobBody, 'status'>): boolean {
  return status === 'InProgress' || status === 'Stopping';
}

export const tuningJobsQuery = () =>
  queryOptions({
    queryKey: ['tuning-jobs'],
    queryFn: ({ signal }) => getAll<TuningJobBody>('/tuning-jobs', {}, signal),
    refetchInterval: ({ state: { data } }) => (data?.items.some(isTuning) === true ? runningEveryMs : otherwiseEveryMs),
  });

export const tuningJobQuery = (tuning: string) =>
  queryOptions({
    queryKey: ['tuning-job', tuning],
    queryFn: ({ signal }) => get<TuningJobBody>(path('/tuning-jobs/:tuning', { tuning }), {}, signal),
    refetchInterval: ({ state: { data } }) => (data !== undefined && isTuning(data) ? runningEveryMs : otherwiseEveryMs),
  });

/** `isLive`: further trials follow. */
export const tuningTrialsQuery = (tuning: string, isLive: boolean) =>
  queryOptions({
    queryKey: ['tuning-trials', tuning, isLive],
    queryFn: ({ signal }) =>
      get<{ readonly items: readonly TuningTrialBody[] }>(path('/tuning-jobs/:tuning/trials', { tuning }), {}, signal),
    refetchInterval: isLive ? runningEveryMs : false,
  });

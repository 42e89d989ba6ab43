/** Queries of the jobs page. */
import { queryOptions } from '@tanstack/react-query';
import type { AsyncBody, PageBody, TransformBody, TransformObjectBody } from '../../../src/api/index.ts';
import { get, path, type QueryParameters } from '../api/client.ts';

export const asyncQuery = (query: QueryParameters) =>
  queryOptions({
    queryKey: ['async', query],
    queryFn: ({ signal }) => get<PageBody<AsyncBody>>('/async', query, signal),
    refetchInterval: 3000,
  });

export const transformsQuery = () =>
  queryOptions({
    queryKey: ['transforms'],
    queryFn: ({ signal }) => get<PageBody<TransformBody>>('/transforms', { limit: 200 }, signal),
    refetchInterval: 3000,
  });

export const transformObjectsQuery = (transform: string) =>
  queryOptions({
    queryKey: ['transforms', transform, 'objects'],
    queryFn: ({ signal }) => get<PageBody<TransformObjectBody>>(path('/transforms/:transform/objects', { transform }), {}, signal),
    refetchInterval: 3000,
  });

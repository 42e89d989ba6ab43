/** What this page asks for. */
import { queryOptions } from '@tanstack/react-query';
import type { AsyncBody, Page, TransformBody, TransformObjectBody } from '../../../src/api/index.ts';
import { get, path, type Query } from '../api/client.ts';

export const asyncQuery = (query: Query) =>
  queryOptions({
    queryKey: ['async', query],
    queryFn: ({ signal }) => get<Page<AsyncBody>>('/async', query, signal),
    refetchInterval: 3000,
  });

export const transformsQuery = () =>
  queryOptions({
    queryKey: ['transforms'],
    queryFn: ({ signal }) => get<Page<TransformBody>>('/transforms', { limit: 200 }, signal),
    refetchInterval: 3000,
  });

export const transformObjectsQuery = (transform: string) =>
  queryOptions({
    queryKey: ['transforms', transform, 'objects'],
    queryFn: ({ signal }) => get<Page<TransformObjectBody>>(path('/transforms/:transform/objects', { transform }), {}, signal),
    refetchInterval: 3000,
  });

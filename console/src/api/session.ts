/** The current session and its permissions. The console hides actions that the user is not allowed to perform. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import type { SessionBody } from '../../../src/api/index.ts';
import { get, post, remove, setCsrfToken } from './client.ts';

export type SessionPermission = SessionBody['permissions'][number];

export const sessionQuery = () =>
  queryOptions({
    queryKey: ['session'],
    queryFn: async ({ signal }) => {
      const session = await get<SessionBody>('/session', {}, signal);
      setCsrfToken(session.csrf);
      return session;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

/** Whether the user has a permission. False while the session is loading. */
export function useHasPermission(permission: SessionPermission): boolean {
  const { data } = useQuery(sessionQuery());
  return data?.permissions.includes(permission) ?? false;
}

/** Signs in by the one-time link that the server printed, or by a key. */
export async function signIn(by: { readonly link: string } | { readonly key: string }): Promise<void> {
  const { csrf } = await post<SessionBody>('/session', by);
  setCsrfToken(csrf);
}

export async function signOut(): Promise<void> {
  await remove('/session');
  setCsrfToken(null);
}

/** Who looks at the console, and what they may do. What somebody may not do is not shown to them. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import type { SessionBody } from '../../../src/api/index.ts';
import { bearCsrf, get, post, remove } from './client.ts';

export type Permission = SessionBody['permissions'][number];

export const sessionQuery = () =>
  queryOptions({
    queryKey: ['session'],
    queryFn: async ({ signal }) => {
      const session = await get<SessionBody>('/session', {}, signal);
      bearCsrf(session.csrf);
      return session;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

/** Whether whoever looks may do this; not, while that is not known. */
export function useMay(permission: Permission): boolean {
  const { data } = useQuery(sessionQuery());
  return data?.permissions.includes(permission) ?? false;
}

/** By the link that the server printed, or by a key. */
export async function signIn(by: { readonly link: string } | { readonly key: string }): Promise<void> {
  const { csrf } = await post<SessionBody>('/session', by);
  bearCsrf(csrf);
}

export async function signOut(): Promise<void> {
  await remove('/session');
  bearCsrf(null);
}

/** Who looks at the console, and what they may do. What somebody may not do is not shown to them. */
import { queryOptions, useQuery } from '@tanstack/react-query';
import { bearCsrf, get } from './client.ts';

export type Permission = 'read' | 'invoke' | 'register' | 'deploy' | 'approve' | 'administer';

export interface Session {
  readonly key_id: string;
  readonly role: string;
  readonly permissions: readonly string[];
  readonly csrf: string | null;
}

export const sessionQuery = () =>
  queryOptions({
    queryKey: ['session'],
    queryFn: async ({ signal }) => {
      const session = await get<Session>('/session', {}, signal);
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

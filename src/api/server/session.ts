/** Session routes for browsers: sign in, sign out, identity. A session is a cookie; programs send their key instead. */
import { z } from 'zod';
import { type Caller, hasPermission, rolePermissions, roles } from '../../access/index.ts';
import { isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

const sessionBody = z.strictObject({
  key_id: z.string().describe('`anonymous` on loopback without a key.'),
  role: z.enum(roles),
  permissions: z.array(z.enum(rolePermissions.admin)).describe('Permissions of the caller.'),
  kind: z.enum(['loopback', 'key', 'session']),
  expires_at: z.iso
    .datetime()
    .nullable()
    .describe('Expiry of a session. It also ends after 12 hours without a call and when the server stops.'),
  csrf: z
    .string()
    .nullable()
    .describe('For a session: send it as the header `X-Penstock-CSRF` with each call whose method is not GET or HEAD.'),
});
export type SessionBody = z.infer<typeof sessionBody>;

const signInInput = z.union([
  z.strictObject({ key: z.string().max(400).describe('ID:SECRET') }),
  z.strictObject({ link: z.string().max(400).describe('The part after the # of the sign-in link that the server prints at start.') }),
]);

export function sessionRoutes({
  access,
  connectionOf,
  audit,
  db,
}: Pick<ApiServices, 'access' | 'connectionOf' | 'audit' | 'db'>): ApiRoute[] {
  return [
    apiRoute('GET /session', {
      summary: 'Get the identity and permissions of the caller',
      answer: sessionBody,
      handle: ({ caller }) => bodyOf(caller),
    }),
    apiRoute('POST /session', {
      summary: 'Sign in: exchange a key or link for a session cookie',
      description: 'Accepted only from the same site. A link works once, within 15 minutes.',
      body: signInInput,
      answer: sessionBody,
      status: 201,
      handle: async ({ body, request, response }) => {
        const { caller, cookie } = access.signIn(body, request.headers, connectionOf(request));
        const by = 'key' in body ? 'key' : 'link';
        await audit.record(db, { who: caller.keyId, action: 'SignIn', target: caller.keyId, outcome: 'ok', detail: { by } });
        response.setHeader('set-cookie', cookie);
        return bodyOf(caller);
      },
    }),
    apiRoute('DELETE /session', {
      summary: 'Sign out',
      description: 'Also deletes the cookie of an expired session.',
      handle: ({ request, response }) => {
        response.setHeader('set-cookie', access.signOut(request.headers, connectionOf(request)));
      },
    }),
  ];
}

function bodyOf({ keyId, role, session }: Caller): SessionBody {
  return {
    key_id: keyId,
    role,
    permissions: rolePermissions.admin.filter((permission) => hasPermission(role, permission)),
    kind: session !== undefined ? 'session' : keyId === 'anonymous' ? 'loopback' : 'key',
    expires_at: session === undefined ? null : isoTime(session.expiresAtMs),
    csrf: session?.csrfToken ?? null,
  };
}

/** Routes of browsers: signing in and out, and who one is. A session is a cookie; a program sends its key instead. */
import { z } from 'zod';
import { type Caller, hasPermission, rolePermissions, roles } from '../access/index.ts';
import { timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const sessionBody = z.strictObject({
  key_id: z.string().describe('`anonymous` on loopback without a key.'),
  role: z.enum(roles),
  permissions: z.array(z.enum(rolePermissions.admin)).describe('What one may do.'),
  kind: z.enum(['loopback', 'key', 'session']),
  expires_at: z.iso
    .datetime()
    .nullable()
    .describe('Of a session, which also ends after 12 hours without a call, and when the server ends.'),
  csrf: z
    .string()
    .nullable()
    .describe('Of a session: comes as the header `X-Penstock-CSRF` with each call whose method is not GET or HEAD.'),
});
export type SessionBody = z.infer<typeof sessionBody>;

const signInInput = z.union([
  z.strictObject({ key: z.string().max(400).describe('ID:SECRET') }),
  z.strictObject({ link: z.string().max(400).describe('What stands behind the # of the link that the server printed at its start.') }),
]);

export function sessionRoutes({ access, connectionOf, audit, db }: ApiServices): Route[] {
  return [
    route('GET /session', { summary: 'Tell who one is, and what one may do', answer: sessionBody, handle: ({ caller }) => bodyOf(caller) }),
    route('POST /session', {
      summary: 'Sign in: a cookie in place of a key',
      description: 'Of the same site only. A link works once, within 15 minutes.',
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
    route('DELETE /session', {
      summary: 'Sign out',
      description: 'Also makes the browser forget the cookie of a session that is over.',
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
    expires_at: session === undefined ? null : timeOf(session.expiresAtMs),
    csrf: session?.csrfToken ?? null,
  };
}

/** Every route of the native API and what its caller must be allowed to do. A route that is not here does not compile. */
import type { Permission } from '../access/index.ts';

export const permissions = {
  'GET /status': 'read',
  'GET /groups': 'read',
  'POST /groups': 'register',
  'GET /groups/:group': 'read',
  'DELETE /groups/:group': 'register',
  'GET /groups/:group/versions': 'read',
  'POST /groups/:group/versions': 'register',
  'GET /groups/:group/versions/:version': 'read',
  'PATCH /groups/:group/versions/:version': 'register',
  'DELETE /groups/:group/versions/:version': 'register',
  'POST /groups/:group/versions/:version/approval': 'approve',
  'GET /groups/:group/versions/:version/profile': 'read',
  'POST /groups/:group/versions/:version/profile': 'register',
  'POST /groups/:group/versions/:version/profile/functions': 'register',
  'GET /endpoints': 'read',
  'POST /endpoints': 'deploy',
  'GET /endpoints/:endpoint': 'read',
  'PATCH /endpoints/:endpoint': 'deploy',
  'DELETE /endpoints/:endpoint': 'deploy',
  'POST /endpoints/:endpoint/load': 'deploy',
  'POST /endpoints/:endpoint/unload': 'deploy',
  'POST /endpoints/:endpoint/invoke': 'invoke',
  'GET /endpoints/:endpoint/logs': 'read',
  'GET /endpoints/:endpoint/decisions': 'read',
  'POST /endpoints/:endpoint/decisions': 'deploy',
  'POST /plan': 'deploy', // it may measure the model first
  'GET /catalogue': 'read',
  'GET /catalogue/:name': 'read',
  'POST /catalogue/:name/register': 'register',
  'GET /keys': 'administer',
  'POST /keys': 'administer',
  'DELETE /keys/:id': 'administer',
  'GET /events': 'read',
  'GET /audit': 'administer',
  'GET /logs': 'read',
  'GET /prices': 'read',
  'GET /costs': 'read',
} as const satisfies Record<string, Permission>;

export type RouteKey = keyof typeof permissions;

/**
 * Every action on a resource and the permission it requires. Each API maps its operations to these actions, so an action
 * requires the same permission in every API: `api/routing/route-actions.ts`, `oip/paths.ts`, `oip/grpc/grpc-actions.ts`, the rows of `aws/` services,
 * `aws/s3/s3-actions.ts`. An operation without an action is not served. `test/end-to-end/permissions.test.ts` tests every action.
 */
import type { Permission } from './roles.ts';

/** By action: the permission it requires. */
export const actions = {
  'read server status': 'read',
  'read own identity': 'read',
  'read model groups': 'read',
  'read model versions': 'read',
  'read catalogue': 'read',
  'read environments': 'read',
  'read endpoints': 'read',
  'read asynchronous requests': 'read',
  'read transforms': 'read',
  'read training jobs': 'read',
  'read pipelines': 'read',
  'read evaluations': 'read',
  'read simulations': 'read',
  'read scaling': 'read',
  'read decisions': 'read',
  'read metrics': 'read',
  'read alarms': 'read',
  'read dashboards': 'read',
  'read events': 'read',
  'read rules': 'read',
  'read logs': 'read',
  'read cluster': 'read',
  'read costs': 'read',
  'read tags': 'read',
  'list objects': 'read',
  'read object': 'read',

  'invoke endpoint': 'invoke',
  'manage asynchronous request': 'invoke',
  // Responses of models, including those to other callers.
  'read inference output': 'invoke',
  'report label': 'invoke',
  'report metric': 'invoke',
  'report log event': 'invoke',
  'report event': 'invoke',

  'create model group': 'register',
  'delete model group': 'register',
  'register version': 'register',
  'preview model': 'register',
  'update version': 'register',
  'delete version': 'register',
  'measure version': 'register',
  'tag registry or endpoint': 'register',
  // Objects in buckets can be registered as models.
  'create bucket': 'register',
  'delete bucket': 'register',
  'write object': 'register',
  'delete object': 'register',

  // Packages are downloaded to the server and unpacked there.
  'create environment': 'deploy',
  'delete environment': 'deploy',
  'create endpoint': 'deploy',
  'update endpoint': 'deploy',
  'delete endpoint': 'deploy',
  'load endpoint': 'deploy',
  'set baseline': 'deploy',
  'choose setting': 'deploy',
  // A plan may have to measure the model first.
  plan: 'deploy',
  // Simulations use CPU time of the serving machine.
  simulate: 'deploy',
  // A transform starts workers and writes to buckets that models can be registered from.
  transform: 'deploy',
  // A training job runs code that its caller brings.
  train: 'deploy',
  // Its steps need more permissions, which are checked when it is applied and at each step.
  'change pipeline': 'deploy',
  'run pipeline': 'deploy',
  // An evaluation runs transforms, and its figures decide what is served.
  evaluate: 'deploy',
  'scale endpoint': 'deploy',
  'tag scalable target': 'deploy',
  'change alarm': 'deploy',
  'change dashboard': 'deploy',
  'change rule': 'deploy',
  'change log group': 'deploy',
  // Client inputs: captured calls, bodies of asynchronous requests.
  'read captured data': 'deploy',

  'approve version': 'approve',

  'read keys': 'administer',
  'change keys': 'administer',
  'read audit': 'administer',
  'use files of the server': 'administer',
  'change hosts': 'administer',
} as const satisfies Record<string, Permission>;

/** An operation of the platform, whichever API it is called by. */
export type Action = keyof typeof actions;

/** The permission that an action requires, in every API. */
export function permissionFor(action: Action): Permission {
  return actions[action];
}

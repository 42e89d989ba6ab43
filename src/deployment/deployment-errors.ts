/** Errors of changes to endpoints. */
import { PlatformError } from '../errors.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';

/** Throws `not_found` if `stored` is undefined, `wrong_state` while the endpoint is being deleted. */
export function requireEndpoint(name: string, stored: StoredEndpoint | undefined): StoredEndpoint {
  if (stored === undefined) throw endpointNotFound(name);
  if (stored.state === 'Deleted') throw new PlatformError('wrong_state', `endpoint ${name} is being deleted`);
  return stored;
}

/** For a create call whose name is taken, also by an endpoint whose workers are still stopping. */
export function alreadyExists({ config, state }: StoredEndpoint): PlatformError {
  const cure = state === 'Deleted' ? 'it is still being deleted: try again in a moment' : `update it, or choose another name`;
  return new PlatformError('already_exists', `endpoint '${config.name}' already exists (names are case-insensitive): ${cure}`);
}

/** For calls that name an endpoint which does not exist. */
export function endpointNotFound(name: string): PlatformError {
  return new PlatformError('not_found', `there is no endpoint '${name}'`, { hint: 'penstock endpoints lists them' });
}

/** For every call that would serve a version that is pending or rejected. */
export function versionNotApproved(version: ModelVersion): PlatformError {
  return new PlatformError(
    'wrong_state',
    `${version.name} is ${version.approval}, but only Approved versions can be deployed: run \`penstock approve ${version.name}\` first`,
  );
}

/** For a configured batch size above 1 on a model whose rows cannot share a run. The reason is that of its probe. */
export function modelNotBatchable(version: ModelVersion): PlatformError {
  const cure = 'set batching to slack, or to none to run each request alone';
  return new PlatformError('invalid_request', `${version.name} cannot be batched: ${version.batchableReason}; ${cure}`);
}

/** For functions on a version whose models stay loaded in the memory of instances. */
export function multiModelWithFunctions({ name }: Pick<ModelVersion, 'name'>): PlatformError {
  return new PlatformError(
    'invalid_request',
    `${name} serves many models: expected instances, whose memory holds them, got functions. Leave them out`,
  );
}

/** What a change of an endpoint may be refused for. */
import { PlatformError } from '../errors.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';

export function existing(name: string, stored: StoredEndpoint | undefined): StoredEndpoint {
  if (stored === undefined) throw noEndpoint(name);
  if (stored.state === 'Deleted') throw new PlatformError('wrong_state', `endpoint ${name} is being deleted`);
  return stored;
}

export function alreadyExists({ config, state }: StoredEndpoint): PlatformError {
  const cure = state === 'Deleted' ? 'it is still being deleted: try again in a moment' : `update it, or choose another name`;
  return new PlatformError('already_exists', `there is an endpoint '${config.name}' already (names are unique without case): ${cure}`);
}

export function noEndpoint(name: string): PlatformError {
  return new PlatformError('not_found', `there is no endpoint '${name}'`, { hint: 'penstock endpoints lists them' });
}

export function notApproved(version: ModelVersion): PlatformError {
  return new PlatformError(
    'wrong_state',
    `${version.name} is ${version.approval}, and only Approved versions deploy: run \`penstock approve ${version.name}\` first`,
  );
}

export function notBatchable(version: ModelVersion): PlatformError {
  const cure = 'leave the batching to slack, or let each request run alone with none';
  return new PlatformError('invalid_request', `${version.name} may not be batched: ${version.batchableReason}; ${cure}`);
}

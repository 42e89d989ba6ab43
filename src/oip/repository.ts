/** Loads and unloads models, for REST and gRPC. */
import { invalidRequest } from '../codecs/index.ts';
import { PlatformError } from '../errors.ts';
import type { OipDeps } from './deps.ts';
import { deployedAs } from './models.ts';

/** Resolves when the change is complete. Throws `not_found`, `unavailable` after a timeout, `invalid_request` for files or configuration to load. */
export async function changeRepository(
  services: Pick<OipDeps, 'deployed' | 'serving' | 'load' | 'unload'>,
  change: 'load' | 'unload',
  model: string,
  parameters: readonly string[],
  who: string,
): Promise<void> {
  if (deployedAs(services, model) === undefined) {
    throw new PlatformError('not_found', `model '${model}' does not exist; POST /v2/repository/index lists all models`);
  }
  if (change === 'unload') {
    await services.unload(model, who);
    return;
  }
  if (parameters.some((key) => key === 'config' || key.startsWith('file:'))) {
    throw invalidRequest(
      `a model's files and configuration cannot be replaced while loading (${parameters.join(', ')})`,
      'register a new model version and update the endpoint to it',
    );
  }
  await services.load(model, who);
}

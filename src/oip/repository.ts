/** Loading and unloading, whichever way they were asked for. */
import { invalid } from '../codecs/index.ts';
import { PlatformError } from '../errors.ts';
import { deployedAs } from './models.ts';
import type { OipServices } from './neighbours.ts';

/** Resolves when it is done. Throws `not_found`, `unavailable` when it takes too long, `invalid_request` for files to load instead. */
export async function changeRepository(
  services: Pick<OipServices, 'deployed' | 'serving' | 'load' | 'unload'>,
  change: 'load' | 'unload',
  model: string,
  parameters: readonly string[],
  who: string,
): Promise<void> {
  if (deployedAs(services, model) === undefined) {
    throw new PlatformError('not_found', `model '${model}' is not known; POST /v2/repository/index lists those that are`);
  }
  if (change === 'unload') {
    await services.unload(model, who);
    return;
  }
  if (parameters.some((key) => key === 'config' || key.startsWith('file:'))) {
    throw invalid(
      `a model's files and configuration cannot be replaced while loading (${parameters.join(', ')})`,
      'register a new model version and update the endpoint to it',
    );
  }
  await services.load(model, who);
}

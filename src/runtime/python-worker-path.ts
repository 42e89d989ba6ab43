import { fileURLToPath } from 'node:url';

/** The package of the Python worker. It is run by its path and never installed into the environment of a model. */
export const pythonWorkerPath = fileURLToPath(new URL('../../python/penstock_worker', import.meta.url));

import { fileURLToPath } from 'node:url';

/** The worker's entry point: TypeScript in a checkout, JavaScript in the package. */
export const workerMainPath = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker-main.ts' : './worker-main.js', import.meta.url),
);

/** The package of the Python worker. It is run by its path and never installed into the environment of a model. */
export const pythonWorkerPath = fileURLToPath(new URL('../../python/penstock_worker', import.meta.url));

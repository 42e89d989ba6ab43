import { fileURLToPath } from 'node:url';

/** The worker's entry point: TypeScript in a checkout, JavaScript in the package. */
export const workerMainPath = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker-main.ts' : './worker-main.js', import.meta.url),
);

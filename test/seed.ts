/** Preloaded by `test/run.ts` when FAST_CHECK_SEED is set: every property of fast-check then draws the same cases each time. */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['FAST_CHECK_SEED']) });

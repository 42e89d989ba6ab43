/** The program that a worker runs for a model version that is not an ONNX model. Pure. */

import { defined } from '../../defined.ts';
import { variantFields } from '../../fields/index.ts';
import type { WorkerSpec } from '../../providers/index.ts';
import { type ModelVersion, pythonOf } from '../../registry/index.ts';
import type { VariantConfig } from '../config/endpoint-config.ts';

type Timeouts = Pick<VariantConfig, 'startTimeoutMs' | 'unpackTimeoutMs'>;

/**
 * The process or Python part of a worker's spec; empty for a model that the built-in worker runs. Throws `wrong_state` for a Python model that
 * was never opened.
 */
export function commandOf(version: ModelVersion, timeouts: Timeouts = {}): Pick<WorkerSpec, 'process' | 'python'> {
  const { runtime } = version;
  if (runtime.kind !== 'process') return defined({ python: pythonOf(version) });
  const { command, environment, concurrency, access = { paths: [], isIsolated: true } } = runtime;
  const { startTimeoutMs = variantFields.startTimeoutMs.default, unpackTimeoutMs = variantFields.unpackTimeoutMs.default } = timeouts;
  return { process: { command, environment, concurrency, startTimeoutMs, unpackTimeoutMs, ...access } };
}

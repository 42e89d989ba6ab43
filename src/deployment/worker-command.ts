/** What a worker of a model version starts, where that is a process. Pure. */
import type { WorkerCommand } from '../providers/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { VariantConfig } from './endpoint-config.ts';

/** As long as a container has with SageMaker: 4 minutes until it must answer its health check. */
const startTimeoutMsDefault = 240_000;
/** The largest archive from a slow disk. */
const unpackTimeoutMsDefault = 600_000;

type Timeouts = Pick<VariantConfig, 'startTimeoutMs' | 'unpackTimeoutMs'>;

/** The part of a worker's spec that says so; empty for a model that the built-in worker runs. */
export function commandOf({ runtime }: ModelVersion, timeouts: Timeouts = {}): { readonly process?: WorkerCommand } {
  if (runtime.kind === 'onnx') return {};
  const { command, environment, concurrency } = runtime;
  const { startTimeoutMs = startTimeoutMsDefault, unpackTimeoutMs = unpackTimeoutMsDefault } = timeouts;
  return { process: { command, environment, concurrency, startTimeoutMs, unpackTimeoutMs } };
}

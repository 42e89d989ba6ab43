/** How calls that an agent relays fail, as the home learns it. Pure. */
import { asPlatformError, messageOf } from '../../errors.ts';
import { failureOf, WorkerLost } from '../../runtime/index.ts';
import { hostKinds, jsonFrame } from '../link/host-frames.ts';

/** The call failed with its worker, or with an error. */
export function failureFrame(call: number, error: unknown): Buffer[] {
  if (error instanceof WorkerLost) return jsonFrame(call, hostKinds.gone, { why: messageOf(error).replace(/^the worker is gone: /, '') });
  const known = asPlatformError(error);
  const { lines, callerStatus: status } = known;
  return jsonFrame(call, hostKinds.refused, { ...failureOf(known), lines, status });
}

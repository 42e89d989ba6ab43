import type { EndpointBody } from '../../../../src/api/index.ts';

export type RolloutBody = NonNullable<EndpointBody['rollout']>;

/** Both versions run: traffic is shifting, or the update is paused. */
export function isUpdateInProgress(rollout: EndpointBody['rollout']): rollout is RolloutBody {
  return rollout !== null && rollout.state !== 'rolled-back';
}

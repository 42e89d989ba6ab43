/** What may happen, `thing.what-became-of-it`: the compiler has every event be one of these, and who asks for another is told so. */
import { PlatformError } from '../../errors.ts';

export const eventKinds = [
  'alarm.state-changed',
  'async.failed',
  'async.succeeded',
  'budget.renewed',
  'budget.spent',
  'decision.made',
  'endpoint.changed',
  'endpoint.created',
  'endpoint.creating',
  'endpoint.delete-requested',
  'endpoint.deleted',
  'endpoint.deleting',
  'endpoint.deployed',
  'endpoint.drift-ended',
  'endpoint.drifted',
  'endpoint.failed',
  'endpoint.in-service',
  'endpoint.load-requested',
  'endpoint.objective-reachable',
  'endpoint.objective-unreachable',
  'endpoint.rolled-back',
  'endpoint.rolling-back',
  'endpoint.settings-changed',
  'endpoint.step-watched',
  'endpoint.traffic-shifted',
  'endpoint.unload-requested',
  'endpoint.unloaded',
  'endpoint.update-begun',
  'endpoint.update-kept',
  'endpoint.update-superseded',
  'endpoint.update-taken-back',
  'endpoint.updating',
  'group.created',
  'group.deleted',
  'group.updated',
  'model.created',
  'model.deleted',
  'overflow.resumed',
  'overflow.suspended',
  'profile.measured',
  'server.ended-abruptly',
  'transform.completed',
  'transform.failed',
  'transform.in-progress',
  'transform.stopped',
  'transform.stopping',
  'version.approved',
  'version.deleted',
  'version.failed',
  'version.registered',
  'version.rejected',
  'version.updated',
  'worker.ended-abruptly',
] as const;

export type EventKind = (typeof eventKinds)[number];

/** Throws `invalid_request` for a kind, or a thing that stands for all of its kinds, that no event has. */
export function checkKinds(kinds: readonly string[]): void {
  const unknown = kinds.filter((kind) => !eventKinds.some((known) => known === kind || known.startsWith(`${kind}.`)));
  if (unknown.length === 0) return;
  throw new PlatformError('invalid_request', `no event is of the kind ${unknown.join(', ')}: kinds are ${kindsText}`);
}

/** `alarm.state-changed; async.failed, async.succeeded; …` */
const kindsText = [...Map.groupBy(eventKinds, (kind) => kind.slice(0, kind.indexOf('.'))).values()]
  .map((kinds) => kinds.join(', '))
  .join('; ');

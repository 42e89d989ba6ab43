/** Event kinds, `resource.what-happened`. The compiler restricts events to this list; queries for other kinds are rejected. */
import { PlatformError } from '../errors.ts';

export const eventKinds = [
  'alarm.state-changed',
  'async.failed',
  'async.succeeded',
  'budget.reset',
  'budget.exhausted',
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
  'endpoint.step-completed',
  'endpoint.step-extended',
  'endpoint.traffic-shifted',
  'endpoint.unload-requested',
  'endpoint.unloaded',
  'endpoint.update-started',
  'endpoint.update-completed',
  'endpoint.update-paused',
  'endpoint.update-superseded',
  'endpoint.update-rolled-back',
  'endpoint.updating',
  'environment.building',
  'environment.deleted',
  'environment.failed',
  'environment.ready',
  'evaluation.completed',
  'evaluation.failed',
  'evaluation.in-progress',
  'evaluation.stopped',
  'group.created',
  'group.deleted',
  'group.updated',
  'model.created',
  'model.deleted',
  'overflow.resumed',
  'overflow.suspended',
  'profile.measured',
  'server.crashed',
  'storage.commits-lost',
  'storage.database-damaged',
  'storage.object-damaged',
  'training.completed',
  'training.downloading',
  'training.failed',
  'training.interrupted',
  'training.restarting',
  'training.starting',
  'training.stopped',
  'training.stopping',
  'training.training',
  'training.uploading',
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
  'version.withdrawn',
  'worker.crashed',
] as const;

export type EventKind = (typeof eventKinds)[number];

/** Throws `invalid_request` for an unknown kind. A bare resource such as `endpoint` stands for all its kinds. */
export function checkKinds(kinds: readonly string[]): void {
  const unknown = kinds.filter((kind) => !eventKinds.some((known) => known === kind || known.startsWith(`${kind}.`)));
  if (unknown.length === 0) return;
  throw new PlatformError('invalid_request', `unknown event kind ${unknown.join(', ')}: expected one of ${kindsText}`);
}

/** `alarm.state-changed; async.failed, async.succeeded; …` */
const kindsText = [...Map.groupBy(eventKinds, (kind) => kind.slice(0, kind.indexOf('.'))).values()]
  .map((kinds) => kinds.join(', '))
  .join('; ');

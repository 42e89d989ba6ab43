/** Scaling activities: what was decided and what was set, as AWS's clients see it. Pure. */
import type { Decision } from '../../monitoring/index.ts';
import { keyOf } from '../../registry/index.ts';
import { type ActivityDocument, countDimension, resourceIdOf, type TargetName } from './scaling-documents.ts';
import type { ScalableTarget } from './targets.ts';

interface Activity extends ActivityDocument {
  readonly hasFailed: boolean;
}

/** Of decisions those that changed the number, and what schedules, alarms and people set; the latest first. */
export function activitiesOf(target: ScalableTarget, decisions: readonly Decision[]) {
  const { document, variant } = target;
  const decided = document.dimension === countDimension ? decisions.filter((made) => keyOf(made.variant) === keyOf(variant.name)) : [];
  const all = [...decided.flatMap(decidedActivity), ...document.activities.map((each): Activity => ({ ...each, hasFailed: false }))];
  const sorted = all.sort((a, b) => b.atMs - a.atMs);
  return sorted.map((activity, index) => activityBody(document, activity, index === 0 && isUnderWay(target, activity)));
}

function decidedActivity({ id, atMs, explanation, reason, chosen, changes }: Decision): Activity[] {
  if (!changes) return [];
  const { plan = {} } = chosen as { plan?: Readonly<Record<string, number>> };
  const capacity = Object.values(plan).reduce((sum, count) => sum + count, 0);
  return [{ id, atMs, cause: explanation, capacity, hasFailed: reason === 'start-failed' }];
}

/** The latest is over when as many are there as it wanted. */
function isUnderWay({ document, view, variant }: ScalableTarget, { capacity }: Activity): boolean {
  if (document.dimension !== countDimension) return false;
  const observed = view.variants.find(({ name }) => keyOf(name) === keyOf(variant.name));
  return observed !== undefined && observed.wanted === capacity && observed.ready !== capacity;
}

function activityBody(target: TargetName, { id, atMs, cause, capacity, hasFailed }: Activity, isRunning: boolean) {
  const what = target.dimension === countDimension ? 'instance count' : 'provisioned concurrency';
  const state = isRunning ? 'InProgress' : hasFailed ? 'Failed' : 'Successful';
  const told = {
    InProgress: `Setting desired ${what} to ${capacity}.`,
    Failed: `Failed to set desired ${what} to ${capacity}.`,
    Successful: `Successfully set desired ${what} to ${capacity}. Change successfully fulfilled by sagemaker.`,
  };
  return {
    ActivityId: id,
    ServiceNamespace: 'sagemaker',
    ResourceId: resourceIdOf(target),
    ScalableDimension: target.dimension,
    Description: `Setting desired ${what} to ${capacity}.`,
    Cause: cause,
    StartTime: new Date(atMs),
    ...(isRunning ? {} : { EndTime: new Date(atMs) }),
    StatusCode: state,
    StatusMessage: told[state],
  };
}

/** Scaling activities as AWS's clients see them, from scaling decisions and recorded changes. Pure. */
import type { CountInputs } from '../../deployment/index.ts';
import { nameKey } from '../../names.ts';
import type { Decision } from '../../records/index.ts';
import { type ActivityDocument, countDimension, resourceIdOf, type TargetName } from './scaling-documents.ts';
import type { ScalableTarget } from './targets.ts';

interface Activity extends ActivityDocument {
  readonly hasFailed: boolean;
}

/** Decisions of policies, schedules, alarms and metrics on the number of instances; changes of provisioned concurrency. Newest first. */
export function activitiesOf(target: ScalableTarget, decisions: readonly Decision[]) {
  const { document, variant } = target;
  const scalingDecisions =
    document.dimension === countDimension ? decisions.filter((made) => nameKey(made.variant) === nameKey(variant.name)) : [];
  const all = [
    ...scalingDecisions.flatMap(decidedActivity),
    ...document.activities.map((each): Activity => ({ ...each, hasFailed: false })),
  ];
  const sorted = all.sort((a, b) => b.atMs - a.atMs);
  return sorted.map((activity, index) => activityBody(document, activity, index === 0 && isUnderWay(target, activity)));
}

function decidedActivity({ id, atMs, trigger, inputs, explanation, reason, chosen, changes }: Decision): Activity[] {
  if (!changes || trigger === 'update' || trigger === 'rollback') return []; // AWS lists no changes by users
  const { plan = {} } = chosen as { plan?: Readonly<Record<string, number>> };
  // A plan has counts by instance type.
  const capacity = Object.values(plan).reduce((sum, count) => sum + count, 0);
  const { cause = explanation } = inputs as Partial<CountInputs>;
  return [{ id, atMs, cause, capacity, hasFailed: reason === 'start-failed' }];
}

/** The newest activity is in progress until as many instances are ready as it requested. */
function isUnderWay({ document, view, variant }: ScalableTarget, { capacity }: Activity): boolean {
  if (document.dimension !== countDimension) return false;
  const observed = view.variants.find(({ name }) => nameKey(name) === nameKey(variant.name));
  return observed !== undefined && observed.wanted === capacity && observed.ready !== capacity;
}

function activityBody(target: TargetName, { id, atMs, cause, capacity, hasFailed }: Activity, isRunning: boolean) {
  const what = target.dimension === countDimension ? 'instance count' : 'provisioned concurrency';
  const state = isRunning ? 'InProgress' : hasFailed ? 'Failed' : 'Successful';
  const reported = {
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
    StatusMessage: reported[state],
  };
}

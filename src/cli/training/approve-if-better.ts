/** `--approve-if-better METRIC`: approves a trained version whose metric is better than that of the latest approved version. */
import { InvalidArgumentError } from 'commander';
import type { GroupBody, TrainingJobBody, VersionBody } from '../../api/index.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { versionUrlPath } from '../models/model-source.ts';
import { opened } from '../options/python-options.ts';
import { Progress } from '../output/progress.ts';
import type { VerbSession } from '../verb.ts';
import { decideApproval } from '../verbs/models/approve.ts';
import { formatMetric } from './format-job.ts';

/** The parsed option. */
export interface BetterBy {
  readonly metric: string;
  /** A lower value is better: an error, a loss. */
  readonly isLower: boolean;
}

/** `accuracy`, or `rmse:min` if lower is better. */
export function parseBetterBy(text: string): BetterBy {
  const [, metric, order] = /^(.+?)(?::(min|max))?$/.exec(text) ?? [];
  if (metric === undefined) throw new InvalidArgumentError('expected a metric, such as accuracy, or rmse:min if a lower value is better');
  return { metric, isLower: order === 'min' };
}

/** `reason` has both values, for the note of the approval and for the terminal. */
export interface ApprovalVerdict {
  readonly isBetter: boolean;
  readonly reason: string;
}

/** Compares the metric with that of the approved version; without one, the new version is the first. Pure. */
export function judgeTrained(
  by: BetterBy,
  version: Pick<VersionBody, 'name' | 'metrics'>,
  approved: Pick<VersionBody, 'name' | 'metrics'> | null,
): ApprovalVerdict {
  const { metric } = by;
  const [value, before] = [version.metrics[metric], approved?.metrics[metric]];
  if (value === undefined) return { isBetter: false, reason: `${version.name} has no metric ${metric}` };
  if (approved === null) return { isBetter: true, reason: `${metric} ${formatMetric(value)}: no version was approved before` };
  if (before === undefined) return { isBetter: false, reason: `${approved.name} has no metric ${metric} to compare with` };
  const isBetter = by.isLower ? value < before : value > before;
  return {
    isBetter,
    reason: `${metric} ${formatMetric(value)} is ${isBetter ? '' : 'not '}better than ${formatMetric(before)} of ${approved.name}`,
  };
}

/** The version that was approved last before a new one; null if there is none. */
async function approvedVersion(client: Client, group: string): Promise<VersionBody | null> {
  const { latest_approved: number } = await client.get<GroupBody>(`/groups/${pathSegment(group)}`);
  return number === null ? null : client.get<VersionBody>(versionUrlPath(`${group}/${number}`));
}

/** Approves the version of a completed job if it is better. Returns its new state. */
export async function approveIfBetter(
  session: VerbSession,
  client: Client,
  { version: name, group }: TrainingJobBody,
  by: BetterBy,
): Promise<VersionBody | null> {
  if (name === null || group === null) return null;
  const version = await client.get<VersionBody>(versionUrlPath(name));
  const { isBetter, reason } = judgeTrained(by, version, await approvedVersion(client, group));
  if (!isBetter) {
    session.remark(`${name} is not approved: ${reason}`);
    return version;
  }
  const decided = await decideApproval(client, name, 'Approved', { note: reason });
  return opened(client, new Progress(session.context), session.context, decided);
}

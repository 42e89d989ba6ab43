/** How a version is told in a few words. */
import type { ReactElement } from 'react';
import type { VersionBody } from '../../../src/api/index.ts';
import { StateMark } from '../kit/state-mark.tsx';

export function approvalMark({ approval }: VersionBody): ReactElement {
  if (approval === 'Approved') return <StateMark kind="ok">Approved</StateMark>;
  if (approval === 'Rejected') return <StateMark kind="bad">Rejected</StateMark>;
  return <StateMark kind="warn">Pending</StateMark>;
}

export function batchText({ batchable, batchable_reason: reason }: VersionBody): string {
  return batchable ? 'may be batched' : `one request at a time: ${reason}`;
}

/** The number that says how good it is: its accuracy, or what else was measured first. */
export function qualityOf({ metrics }: VersionBody): number | undefined {
  return metrics['accuracy'] ?? Object.values(metrics)[0];
}

/** What that number is called where all versions mean the same. */
export function qualityName(versions: readonly VersionBody[]): string {
  const names = new Set(versions.flatMap(({ metrics }) => ('accuracy' in metrics ? ['accuracy'] : Object.keys(metrics).slice(0, 1))));
  const [name = 'accuracy', ...others] = names;
  const shown = others.length === 0 ? name : 'quality';
  return shown.charAt(0).toUpperCase() + shown.slice(1);
}

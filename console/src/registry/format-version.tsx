/** Short texts about a version. */
import type { ReactElement } from 'react';
import type { VersionBody } from '../../../src/api/index.ts';
import { StateMark } from '../kit/state-mark.tsx';

export function approvalMark({ approval, python }: VersionBody): ReactElement {
  if (approval === 'Approved') return <StateMark kind="ok">Approved</StateMark>;
  if (approval === 'Rejected') return <StateMark kind="bad">Rejected</StateMark>;
  if (python?.state === 'opening') return <StateMark kind="changing">Opening</StateMark>;
  if (python?.state === 'failed') return <StateMark kind="bad">Not opened</StateMark>;
  return <StateMark kind="warn">Pending</StateMark>;
}

export function batchText({ batchable, batchable_reason: reason, python }: VersionBody): string {
  if (python !== null && python.state !== 'opened') return 'tested when the model is opened, at its approval';
  return batchable ? 'supported' : `one request at a time: ${reason}`;
}

/** The quality of a version: its accuracy, or else its first metric. */
export function qualityOf({ metrics }: VersionBody): number | undefined {
  return metrics['accuracy'] ?? Object.values(metrics)[0];
}

/** The name of the quality metric, or `Quality` if versions use different metrics. */
export function qualityName(versions: readonly VersionBody[]): string {
  const names = new Set(versions.flatMap(({ metrics }) => ('accuracy' in metrics ? ['accuracy'] : Object.keys(metrics).slice(0, 1))));
  const [name = 'accuracy', ...others] = names;
  const shown = others.length === 0 ? name : 'quality';
  return shown.charAt(0).toUpperCase() + shown.slice(1);
}

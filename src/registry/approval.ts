/** Who may be deployed: the approval of a model version and its allowed changes. Pure. */
import { PlatformError } from '../errors.ts';

export const approvals = ['PendingManualApproval', 'Approved', 'Rejected'] as const;
export type Approval = (typeof approvals)[number];

/**
 * Whether this changes anything; the same approval again does not. A decision may be turned around, but never undone:
 * nothing goes back to pending. Throws `wrong_state`.
 */
export function changesApproval(versionName: string, from: Approval, to: Approval): boolean {
  if (from === to) return false;
  if (to === 'PendingManualApproval') {
    throw new PlatformError('wrong_state', `${versionName} is ${from} and cannot go back to ${to}: approve or reject it instead`);
  }
  return true;
}

export function isApproval(word: string): word is Approval {
  return (approvals as readonly string[]).includes(word);
}

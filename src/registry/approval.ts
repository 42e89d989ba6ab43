/** The approval of a model version. A decision can be reversed, and withdrawn: the version is pending again. Pure. */

export const approvals = ['PendingManualApproval', 'Approved', 'Rejected'] as const;
export type Approval = (typeof approvals)[number];

export function isApproval(word: string): word is Approval {
  return (approvals as readonly string[]).includes(word);
}

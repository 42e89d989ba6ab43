/** The approval of a model version. A decision can be reversed, and withdrawn: the version is pending again. Pure. */

/** As SageMaker spells them, in the order of a version's life. */
export const approvals = ['PendingManualApproval', 'Approved', 'Rejected'] as const;
/** Only `Approved` versions can be deployed. */
export type Approval = (typeof approvals)[number];

/** Whether a word is one of `approvals`, spelled exactly. */
export function isApproval(word: string): word is Approval {
  return (approvals as readonly string[]).includes(word);
}

export {
  type ActionEntry,
  Audit,
  type AuditCall,
  type AuditEntry,
  type AuditQuery,
  type AuditRecord,
  type AuditVerification,
} from './audit.ts';
export { type AuditAction, isAuditAction, type ResourceKind, resourceKindOf } from './audit-actions.ts';
export {
  type Decision,
  type DecisionKind,
  type DecisionPage,
  Decisions,
  type Effect,
  type FoldedDecision,
  type NewDecision,
  type UnknownEffect,
} from './decisions.ts';
export { checkKinds, type EventKind } from './event-kinds.ts';
export { type EventQuery, Events, matchesEventQuery, type NewEvent, type PlatformEvent } from './events.ts';
export { currentOrigin, isRecorded, type Origin, withOrigin, withoutOrigin } from './origin.ts';
export { Predecessors } from './predecessors.ts';
export { claimedKey, RejectionAudit, unknownCaller } from './rejection-audit.ts';
export { type TokenBucket, takeToken } from './token-bucket.ts';
export { type LostRequests, type WorkerExit, WorkerExits } from './worker-exits.ts';

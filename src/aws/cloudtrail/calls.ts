/** One call may do several deeds, each with its record in the audit; CloudTrail has one event for each call. Pure. */
import type { AuditRecord } from '../../monitoring/index.ts';
import { isCallsOwn } from './event-names.ts';

/** In the order of the newest record of each, as the records come. Records of other doors than AWS's stand each for itself. */
export function byCall(records: readonly AuditRecord[]): AuditRecord[][] {
  const calls = Map.groupBy(records, ({ id, who, origin }) => (origin?.operation === undefined ? id : `${who} ${origin.requestId}`));
  return [...calls.values()];
}

/** The record of the deed that was called for, the first of several, with what the others tell besides. */
export function oneOf(call: readonly AuditRecord[]): AuditRecord {
  const first = (call.findLast(isCallsOwn) ?? call.at(-1)) as AuditRecord;
  if (call.length === 1) return first;
  const details = [...call, first].map(({ detail }) => (typeof detail === 'object' && detail !== null ? detail : {}));
  return { ...first, detail: Object.assign({}, ...details) as object };
}

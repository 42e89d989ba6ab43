/** One call may do several deeds, each with its record in the audit; CloudTrail has one event for each call. Pure. */
import type { AuditCall, AuditRecord } from '../../monitoring/index.ts';
import { isCallsOwn, resourceTypeOf } from './event-names.ts';

export interface Resource {
  /** `AWS::SageMaker::Model`; null where AWS has no such thing. */
  readonly type: string | null;
  readonly name: string;
}

/** A call as one record, whole: whoever looks for it in whatever way finds the same. */
export interface CallRecord extends AuditRecord {
  /** What was called for, first, and what that took besides. */
  readonly resources: readonly Resource[];
}

/** The record of the deed that was called for, the first of several, with the call's id and time, and with what the others tell besides. */
export function oneOf({ id, atMs, records }: AuditCall): CallRecord {
  const own = (records.findLast(isCallsOwn) ?? records.at(-1)) as AuditRecord;
  const resources: Resource[] = own.target === '' ? [] : [{ type: resourceTypeOf(own), name: own.target }];
  for (const { action, target } of records.toReversed()) {
    if (target === '' || resources.some(({ name }) => name === target)) continue;
    resources.push({ type: resourceTypeOf({ action, origin: null }), name: target });
  }
  const details = [...records, own].map(({ detail }) => (typeof detail === 'object' && detail !== null ? detail : {}));
  const detail = records.length === 1 ? own.detail : (Object.assign({}, ...details) as object);
  return { ...own, id, atMs, detail, resources };
}

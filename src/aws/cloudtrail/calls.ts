/**
 * Merges audit records into CloudTrail events. A call may perform several actions, each with an audit record, but CloudTrail has one event
 * per call. Pure.
 */
import type { AuditCall, AuditRecord } from '../../records/index.ts';
import { isPrimaryAction, resourceTypeOf } from './event-names.ts';

export interface CloudTrailResource {
  /** `AWS::SageMaker::Model`; null for resources without an AWS type. */
  readonly type: string | null;
  readonly name: string;
}

/** A call as one record. Every lookup returns the same complete record. */
export interface CallRecord extends AuditRecord {
  /** The primary resource first, followed by resources that the call also changed. */
  readonly resources: readonly CloudTrailResource[];
}

/**
 * Returns the record of the primary action, with the id and time of the call. Details and resources of the other records are merged into
 * it.
 */
export function mergedCall({ id, atMs, records }: AuditCall): CallRecord {
  const own = (records.findLast(isPrimaryAction) ?? records.at(-1)) as AuditRecord;
  const resources: CloudTrailResource[] = own.target === '' ? [] : [{ type: resourceTypeOf(own), name: own.target }];
  for (const { action, target } of records.toReversed()) {
    if (target === '' || resources.some(({ name }) => name === target)) continue;
    resources.push({ type: resourceTypeOf({ action, origin: null }), name: target });
  }
  const details = [...records, own].map(({ detail }) => (typeof detail === 'object' && detail !== null ? detail : {}));
  const detail = records.length === 1 ? own.detail : (Object.assign({}, ...details) as object);
  return { ...own, id, atMs, detail, resources };
}

/** Audits operations whose modules record no audit entries themselves. An entry is recorded after the change succeeds. */
import type { Audit, AuditAction } from '../records/index.ts';
import type { Database } from '../storage/index.ts';
import type { AwsInput, AwsOperation, AwsOutput } from './service.ts';

export interface AuditedOperationDeps {
  readonly audit: Pick<Audit, 'record'>;
  readonly db: Database;
}

/** Members whose values are credentials for a target. The audit chain is append-only, so a secret written to it could never be removed. */
export const secretMembers = ['HeaderParameters', 'QueryStringParameters'];

/** Masks the values of secret members at any depth and keeps their keys. */
export function maskSecretMembers(input: object): object {
  return JSON.parse(
    JSON.stringify(input, (name, value: unknown) =>
      secretMembers.includes(name) && typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.keys(value).map((key) => [key, '***']))
        : value,
    ),
  ) as object;
}

/** A batch call answers 200 even if every entry failed, so the audit records which entries failed and why. */
function outcomeOf(input: AwsInput, { FailedEntries }: AwsOutput): { readonly outcome: 'ok' | 'invalid_request'; readonly detail: object } {
  const detail = maskSecretMembers(input);
  const failed = (FailedEntries ?? []) as readonly AwsInput[];
  if (failed.length === 0) return { outcome: 'ok', detail };
  const entries = (input.Targets ?? input.Ids ?? []) as readonly unknown[];
  if (failed.length < entries.length) return { outcome: 'ok', detail: { ...detail, FailedEntries: failed } };
  return { outcome: 'invalid_request', detail: { message: failed[0]?.ErrorMessage, ...detail, FailedEntries: failed } };
}

/** `changes` maps each audited operation to the input member that names its target. */
export function audited(
  { audit, db }: AuditedOperationDeps,
  operations: Readonly<Record<string, AwsOperation>>,
  changes: Readonly<Partial<Record<AuditAction, string>>>,
): Record<string, AwsOperation> {
  const wrapped = (Object.entries(changes) as [AuditAction, string][]).flatMap(([action, member]): [string, AwsOperation][] => {
    const operation = operations[action];
    if (operation === undefined) return [];
    const run: AwsOperation = async (input, call) => {
      const answer = await operation(input, call);
      const target = input[member];
      await audit.record(db, {
        who: call.caller.keyId,
        action,
        target: typeof target === 'string' ? target : '',
        ...outcomeOf(input, answer),
      });
      return answer;
    };
    return [[action, run]];
  });
  return { ...operations, ...Object.fromEntries(wrapped) };
}

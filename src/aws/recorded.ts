/** Operations whose rooms keep no audit of their own: what they changed is recorded once it is done. */
import type { Audit, Deed } from '../monitoring/index.ts';
import type { Database } from '../storage/index.ts';
import type { AwsInput, AwsOperation, AwsOutput } from './service.ts';

export interface Recording {
  readonly audit: Pick<Audit, 'record'>;
  readonly db: Database;
}

/** Members whose values are keys of somebody's receiver: the chain is never changed, so what was in it once stays. */
export const secretMembers = ['HeaderParameters', 'QueryStringParameters'];

export function withoutSecrets(input: object): object {
  return JSON.parse(
    JSON.stringify(input, (name, value: unknown) =>
      secretMembers.includes(name) && typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.keys(value).map((key) => [key, '***']))
        : value,
    ),
  ) as object;
}

/** A call of several entries answers 200 also where it took none of them: whoever reads the audit learns which, and why. */
function outcomeOf(input: AwsInput, { FailedEntries }: AwsOutput): { readonly outcome: 'ok' | 'invalid_request'; readonly detail: object } {
  const detail = withoutSecrets(input);
  const failed = (FailedEntries ?? []) as readonly AwsInput[];
  if (failed.length === 0) return { outcome: 'ok', detail };
  const entries = (input.Targets ?? input.Ids ?? []) as readonly unknown[];
  if (failed.length < entries.length) return { outcome: 'ok', detail: { ...detail, FailedEntries: failed } };
  return { outcome: 'invalid_request', detail: { message: failed[0]?.ErrorMessage, ...detail, FailedEntries: failed } };
}

/** Those that `changes` names, each with the member of its input that tells what is changed. */
export function recorded(
  { audit, db }: Recording,
  operations: Readonly<Record<string, AwsOperation>>,
  changes: Readonly<Partial<Record<Deed, string>>>,
): Record<string, AwsOperation> {
  const wrapped = (Object.entries(changes) as [Deed, string][]).flatMap(([action, member]): [string, AwsOperation][] => {
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

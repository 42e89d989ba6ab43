/** Operations whose rooms keep no audit of their own: what they changed is recorded once it is done. */
import type { Audit, Deed } from '../monitoring/index.ts';
import type { Database } from '../storage/index.ts';
import type { AwsOperation } from './service.ts';

export interface Recording {
  readonly audit: Pick<Audit, 'record'>;
  readonly db: Database;
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
        outcome: 'ok',
        detail: input,
      });
      return answer;
    };
    return [[action, run]];
  });
  return { ...operations, ...Object.fromEntries(wrapped) };
}

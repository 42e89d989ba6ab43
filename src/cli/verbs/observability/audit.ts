/** `penstock audit list | verify`. */
import { type Command, InvalidArgumentError } from 'commander';
import type { AuditBody, AuditVerdictBody, PageBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, verb, verbGroup, wholeNumber } from '../../verb.ts';

interface ListOptions extends CommonOptions {
  readonly who?: string;
  readonly action?: string;
  readonly target?: string;
  readonly limit: number;
}

interface VerifyOptions extends CommonOptions {
  readonly head?: string;
}

export function addAudit(program: Command, context: CliContext): void {
  const audit = verbGroup(program, 'audit', 'show and verify the audit log');
  verb(audit, context, 'list', 'list audit records, the latest first')
    .with((command) =>
      command
        .option('--who <key>', 'only records of this key')
        .option('--action <name>', 'only this action, such as CreateEndpoint')
        .option('--target <name>', 'only actions on this target')
        .option('-n, --limit <number>', 'maximum number to show', wholeNumber(1, 500), 50),
    )
    .runs(async (session, { who, action, target, limit }: ListOptions) => {
      const { items } = await (await session.client()).get<PageBody<AuditBody>>('/audit', { query: { who, action, target, limit } });
      session.print(items, listText(items));
      return 0;
    });
  verb(audit, context, 'verify', 'check that no record was changed, removed or inserted')
    .with((command) =>
      command.option('--head <hash>', 'hash of the last record at an earlier time, which must still be in the chain', hash),
    )
    .runs(async (session, { head }: VerifyOptions) => {
      const client = await session.client();
      const verdict = await client.get<AuditVerdictBody>('/audit/verification', { query: { head } });
      session.print(verdict, verdictText(verdict));
      return verdict.broken === null ? 0 : 1;
    });
}

function hash(text: string): string {
  if (!/^[\da-f]{64}$/.test(text))
    throw new InvalidArgumentError('expected a hash: 64 hexadecimal digits, as printed by penstock audit verify');
  return text;
}

function listText(items: readonly AuditBody[]): string {
  if (items.length === 0) return 'no audit records\n';
  return table(items, [
    { title: 'AT (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'WHO', cell: ({ who }) => who },
    { title: 'FROM', cell: ({ origin }) => (origin === null ? 'penstock itself' : `${origin.protocol} ${origin.remote_address}`) },
    { title: 'ACTION', cell: formatAction },
    { title: 'TARGET', cell: ({ target }) => target },
    { title: 'OUTCOME', cell: ({ outcome }) => outcome },
  ]);
}

function verdictText({ records, head, broken }: AuditVerdictBody): string {
  if (broken === null) return `${records} records, all intact; hash of the last record: ${head === '' ? 'none' : head}\n`;
  return `broken at record ${broken.number}${broken.id === '' ? '' : ` (${broken.id})`}: ${broken.why}; the ${records} records before it are intact\n`;
}

/** The action, followed by the AWS operation if it has another name. */
function formatAction({ action, origin }: AuditBody): string {
  const operation = origin?.operation ?? action;
  return operation === action ? action : `${action} (${operation})`;
}

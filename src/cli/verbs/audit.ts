/** `penstock audit list | verify`. */
import { type Command, InvalidArgumentError } from 'commander';
import type { AuditBody, AuditVerdictBody, Page } from '../../api/index.ts';
import type { Doors } from '../doors.ts';
import { table } from '../table.ts';
import { type CommonOptions, verb, verbGroup, wholeNumber } from '../verb.ts';
import { timeText } from '../words.ts';

interface ListOptions extends CommonOptions {
  readonly who?: string;
  readonly action?: string;
  readonly target?: string;
  readonly limit: number;
}

interface VerifyOptions extends CommonOptions {
  readonly head?: string;
}

export function addAudit(program: Command, doors: Doors): void {
  const audit = verbGroup(program, 'audit', 'who did what, and whether the record of it is whole');
  verb(audit, doors, 'list', 'show who did what, the latest first')
    .with((command) =>
      command
        .option('--who <key>', 'only what this key did')
        .option('--action <name>', 'only such deeds, such as CreateEndpoint')
        .option('--target <name>', 'only what was done to this')
        .option('-n, --limit <number>', 'how many', wholeNumber(1, 500), 50),
    )
    .runs(async (session, { who, action, target, limit }: ListOptions) => {
      const { items } = await (await session.client()).get<Page<AuditBody>>('/audit', { query: { who, action, target, limit } });
      session.print(items, listText(items));
      return 0;
    });
  verb(audit, doors, 'verify', 'check that no record was changed, taken out or slipped in')
    .with((command) =>
      command.option('--head <hash>', 'that of the last record, as it was told before: it must still be in the chain', hash),
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
    throw new InvalidArgumentError('expected a hash: 64 hexadecimal digits, as penstock audit verify tells it');
  return text;
}

function listText(items: readonly AuditBody[]): string {
  if (items.length === 0) return 'nothing was done\n';
  return table(items, [
    { title: 'AT (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'WHO', cell: ({ who }) => who },
    { title: 'FROM', cell: ({ origin }) => (origin === null ? 'penstock itself' : `${origin.door} ${origin.remote_address}`) },
    { title: 'ACTION', cell: deedShown },
    { title: 'TARGET', cell: ({ target }) => target },
    { title: 'OUTCOME', cell: ({ outcome }) => outcome },
  ]);
}

function verdictText({ records, head, broken }: AuditVerdictBody): string {
  if (broken === null) return `${records} records, each as it was written; the last one's hash is ${head === '' ? 'none' : head}\n`;
  return `broken at record ${broken.number}${broken.id === '' ? '' : ` (${broken.id})`}: ${broken.why}; the ${records} before it are whole\n`;
}

/** With what AWS calls it, where it came by AWS's door under another name. */
function deedShown({ action, origin }: AuditBody): string {
  const operation = origin?.operation ?? action;
  return operation === action ? action : `${action} (${operation})`;
}

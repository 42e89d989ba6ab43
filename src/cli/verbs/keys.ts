/** `penstock keys create | list | revoke`. */
import { type Command, Option } from 'commander';
import type { CreatedKeyBody, KeyBody } from '../../api/index.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { table } from '../table.ts';
import { type CommonOptions, verb, verbGroup } from '../verb.ts';
import { shellQuoted, timeText } from '../words.ts';

interface CreateOptions extends CommonOptions {
  readonly role: string;
  readonly description?: string;
}

const roles = ['viewer', 'invoker', 'deployer', 'approver', 'admin'];

export function addKeys(program: Command, doors: Doors): void {
  const keys = verbGroup(program, 'keys', 'create, list and revoke keys');
  verb(keys, doors, 'create', 'make a key; its secret is shown this once')
    .with((command) =>
      command
        .addOption(new Option('--role <role>', 'what it may do').choices(roles).makeOptionMandatory())
        .option('--description <text>', 'whose it is, or what for'),
    )
    .runs(async (session, { role, description }: CreateOptions) => {
      const key = await (await session.client()).post<CreatedKeyBody>('/keys', {
        json: description === undefined ? { role } : { role, description },
      });
      session.remark(`the secret of this ${key.role} key is shown this once: keep it, then use it with`);
      session.print(key, `export PENSTOCK_KEY=${shellQuoted(`${key.id}:${key.secret}`)}\n`);
      return 0;
    });
  verb(keys, doors, 'list', 'list the keys').runs(async (session) => {
    const all = await (await session.client()).all<KeyBody>('/keys');
    session.print(
      all,
      table(all, [
        { title: 'KEY', cell: (key) => key.id },
        { title: 'ROLE', cell: (key) => key.role },
        { title: 'CREATED (UTC)', cell: (key) => timeText(key.created_at) },
        { title: 'DESCRIPTION', cell: (key) => key.description },
      ]),
    );
    return 0;
  });
  verb(keys, doors, 'revoke <id>', 'make a key invalid, at once and for good').runs(async (session, _options, id: string) => {
    await (await session.client()).delete(`/keys/${part(id)}`);
    session.print({ revoked: id }, `${id} is revoked\n`);
    return 0;
  });
}

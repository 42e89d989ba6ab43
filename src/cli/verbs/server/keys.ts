/** `penstock keys create | list | revoke`. */
import { type Command, Option } from 'commander';
import type { CreatedKeyBody, KeyBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { positiveInteger, positiveNumber } from '../../options/parsed-values.ts';
import { shellQuoted, timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, verb, verbGroup } from '../../verb.ts';

interface CreateOptions extends CommonOptions {
  readonly role: string;
  readonly description?: string;
  readonly rate?: number;
  readonly concurrency?: number;
}

/** `50/s, 4 concurrent`; empty without limits. */
function limitsText({ rate_per_second: rate, concurrency }: KeyBody): string {
  return [...(rate === null ? [] : [`${rate}/s`]), ...(concurrency === null ? [] : [`${concurrency} concurrent`])].join(', ');
}

const roles = ['viewer', 'invoker', 'deployer', 'approver', 'admin'];

export function addKeys(program: Command, context: CliContext): void {
  const keys = verbGroup(program, 'keys', 'create, list and revoke API keys');
  verb(keys, context, 'create', 'create a key; its secret is shown only once')
    .with((command) =>
      command
        .addOption(new Option('--role <role>', 'permissions of the key').choices(roles).makeOptionMandatory())
        .option('--description <text>', 'owner or purpose of the key')
        .option('--rate <n>', "maximum requests per second; bursts of one second's worth are allowed", positiveNumber)
        .option('--concurrency <n>', 'maximum number of requests in flight', positiveInteger),
    )
    .runs(async (session, { role, description, rate: rate_per_second, concurrency }: CreateOptions) => {
      const json = { role, description, rate_per_second, concurrency };
      const key = await (await session.client()).post<CreatedKeyBody>('/keys', { json });
      session.remark(`the secret of this ${key.role} key is shown only once: store it safely. Use it with`);
      session.print(key, `export PENSTOCK_KEY=${shellQuoted(`${key.id}:${key.secret}`)}\n`);
      return 0;
    });
  verb(keys, context, 'list', 'list the keys').runs(async (session) => {
    const all = await (await session.client()).all<KeyBody>('/keys');
    session.print(
      all,
      table(all, [
        { title: 'KEY', cell: (key) => key.id },
        { title: 'ROLE', cell: (key) => key.role },
        { title: 'LIMITS', cell: limitsText },
        { title: 'CREATED (UTC)', cell: (key) => timeText(key.created_at) },
        { title: 'DESCRIPTION', cell: (key) => key.description },
      ]),
    );
    return 0;
  });
  verb(keys, context, 'revoke <id>', 'revoke a key immediately and permanently').runs(async (session, _options, id: string) => {
    await (await session.client()).delete(`/keys/${pathSegment(id)}`);
    session.print({ revoked: id }, `${id} was revoked\n`);
    return 0;
  });
}

/** `penstock migrate`: moves an installation to PostgreSQL and S3, from its data directory. */
import type { Command } from 'commander';
import { loadSetting } from '../../../config.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { bytesText, countText } from '../../output/format.ts';
import { type CommonOptions, verb } from '../../verb.ts';

interface MigrateFlags extends CommonOptions {
  readonly to: readonly string[];
  readonly into: string;
  readonly databaseUrl?: string;
}

export function addMigrate(program: Command, context: CliContext): void {
  verb(program, context, 'migrate', 'move all state to another database and object store')
    .with((command) =>
      command
        .requiredOption(
          '--to <URL...>',
          'an empty PostgreSQL database, an empty place for objects (s3://bucket/prefix or postgres), or both',
        )
        .requiredOption('--into <DIR>', 'a new data directory, for keys and logs')
        .option('--database-url <URL>', "the server's PostgreSQL database (default: from config.json and the environment)"),
    )
    .runs(async (session, options: MigrateFlags) => {
      const { migrate } = await import('../../../storage/index.ts');
      const { dataDir, into } = options;
      const { databaseUrl, objects } = targetsOf(options.to);
      const source = options.databaseUrl ?? loadSetting('databaseUrl', { flags: { dataDir }, env: context.env });
      const to = { dataDir: into, databaseUrl, objects };
      const { restored, verified } = await migrate({ dataDir, databaseUrl: source, clock: context.clock, to });
      const flags = `${restored.database === null ? '' : ` --database-url ${restored.database}`}${objects === null ? '' : ` --objects '${objects}'`}`;
      session.print(
        { data_dir: into, database: restored.database, objects: verified.objects, bytes: verified.bytes },
        `${into}: moved and verified ${countText(verified.objects, 'object')} (${bytesText(verified.bytes)}); start the server with penstock up --data-dir ${into}${flags}\n`,
      );
      session.remark(`${dataDir} is unchanged; what a server writes there from now on is not moved`);
      const lost = [...restored.missing, ...restored.damaged];
      if (lost.length > 0) session.remark(`${lost.length} objects were missing or damaged before: ${lost.slice(0, 5).join(', ')}`);
      return lost.length > 0 ? 1 : 0;
    });
}

function targetsOf(urls: readonly string[]): { readonly databaseUrl: string | null; readonly objects: string | null } {
  const databases = urls.filter((url) => /^postgres(?:ql)?:\/\/./.test(url));
  const places = urls.filter((url) => /^(?:s3:\/\/.|postgres$)/.test(url));
  if (databases.length > 1 || places.length > 1 || databases.length + places.length < urls.length) {
    throw new CliError(
      `--to: expected postgres://HOST/DB, s3://BUCKET/PREFIX or postgres, each kind once, got ${urls.join(' ').slice(0, 200)}`,
      2,
    );
  }
  return { databaseUrl: databases[0] ?? null, objects: places[0] ?? null };
}

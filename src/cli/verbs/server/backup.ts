/** `penstock backup`, `restore`, `verify` and `trash`: they work on the data directory directly, with or without a running server. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadSetting } from '../../../config.ts';
import { PlatformError } from '../../../errors.ts';
import type { ObjectStore } from '../../../storage/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { bytesText, countText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb, verbGroup } from '../../verb.ts';

interface DatabaseOptions extends CommonOptions {
  readonly databaseUrl?: string;
}

interface RestoreFlags extends DatabaseOptions {
  readonly objects?: string;
}

const urlOption = ['--database-url <URL>', "the server's PostgreSQL database (default: from config.json and the environment)"] as const;

export function addBackup(program: Command, context: CliContext): void {
  verb(program, context, 'backup <file>', 'write all state to a file; the server may be running')
    .with((command) => command.option(...urlOption))
    .runs(async (session, options: DatabaseOptions, file: string) => {
      const { writeBackup } = await import('../../../storage/index.ts');
      const { dataDir } = options;
      const result = await writeBackup({ dataDir, databaseUrl: urlOf(session, options), file, clock: context.clock });
      const lost = [...result.missing.map((name) => `${name} is missing`), ...result.damaged.map((name) => `${name} is damaged`)];
      session.print(result, `${file}: ${countText(result.objects, 'object')}, ${bytesText(result.bytes)}\n`);
      session.remark(
        existsSync(join(dataDir, 'keys.json'))
          ? `${file} contains the server's keys (keys.json): protect it like the data directory`
          : `${file} contains no API keys, because ${dataDir} has no keys.json: in a cluster, back up at the node that serves`,
      );
      for (const text of lost.slice(0, 20)) session.remark(text);
      if (lost.length > 0) session.remark(`the backup lacks ${lost.length} objects and is otherwise complete: see penstock verify`);
      return lost.length > 0 ? 1 : 0;
    });
}

export function addRestore(program: Command, context: CliContext): void {
  verb(program, context, 'restore <file>', 'restore a backup into a new data directory')
    .with((command) =>
      command
        .option('--database-url <URL>', 'an empty PostgreSQL database: for a backup of PostgreSQL, or to move one of SQLite there')
        .option('--objects <URL>', 'an empty place for objects: s3://bucket/prefix or postgres (default: the data directory)'),
    )
    .runs(async (session, options: RestoreFlags, file: string) => {
      const { restoreBackup } = await import('../../../storage/index.ts');
      const { dataDir, databaseUrl = null, objects: place = null } = options;
      const result = await restoreBackup({ file, dataDir, databaseUrl, objects: place, clock: context.clock });
      const { header, objects, missing, damaged, database } = result;
      const urlFlag = `${database === null ? '' : ` --database-url ${database}`}${place === null ? '' : ` --objects '${place}'`}`;
      const atText = new Date(header.createdAtMs).toISOString();
      session.print(
        { data_dir: dataDir, created_at: atText, installation: header.installation, objects, missing, damaged },
        `${dataDir}: restored the state of ${atText}, ${countText(objects, 'object')}; start a server with penstock up --data-dir ${dataDir}${urlFlag}\n`,
      );
      if (result.settingsRemoved.length > 0) {
        const removed = result.settingsRemoved.join(' and ');
        session.remark(`removed ${removed} from ${join(dataDir, 'config.json')}, because it named what was backed up`);
      }
      const lost = [...missing, ...damaged];
      if (lost.length > 0)
        session.remark(`${lost.length} objects were missing or damaged when the backup was made: ${lost.slice(0, 5).join(', ')}`);
      return lost.length > 0 ? 1 : 0;
    });
}

export function addVerify(program: Command, context: CliContext): void {
  verb(program, context, 'verify', 'check every stored object against its sha256, and check the database')
    .with((command) => command.option(...urlOption))
    .runs(async (session, options: DatabaseOptions) => {
      const { verifyDataDirectory } = await import('../../../storage/index.ts');
      const result = await verifyDataDirectory({ dataDir: options.dataDir, databaseUrl: urlOf(session, options), clock: context.clock });
      const { database, damaged, missing, unreferenced } = result;
      const lines = [
        ...database.map((found) => `database: ${found}`),
        ...damaged.map((name) => `damaged: ${name}`),
        ...missing.map((name) => `missing: ${name}`),
        ...unreferenced.map((name) => `unreferenced, will be moved to the trash at the next start: ${name}`),
        `${countText(result.objects, 'object')} (${bytesText(result.bytes)}) intact; ${damaged.length} damaged, ${missing.length} missing, ` +
          `${unreferenced.length} unreferenced; database ${database.length === 0 ? 'ok' : 'damaged'}`,
      ];
      session.print(result, `${lines.join('\n')}\n`);
      return database.length + damaged.length + missing.length > 0 ? 1 : 0;
    });
}

export function addTrash(program: Command, context: CliContext): void {
  const group = verbGroup(program, 'trash', 'list and restore unreferenced objects, which are deleted after 7 days');
  const list = verb(group, context, 'list', 'list the objects in the trash').with((command) => command.option(...urlOption));
  list.runs(async (session, options: DatabaseOptions) => {
    const listed = await withStores(session, options, (stores) =>
      Promise.all(stores.map(async ({ name, store }) => (await store.trash.list()).map((entry) => ({ store: name, ...entry })))),
    );
    const entries = listed.flat();
    session.print(
      entries,
      table(entries, [
        { title: 'STORE', cell: ({ store }) => store },
        { title: 'SHA256', cell: ({ sha256 }) => sha256 },
        { title: 'SIZE', cell: ({ bytes }) => bytesText(bytes), align: 'right' },
        { title: 'SINCE (UTC)', cell: ({ trashedAtMs }) => new Date(trashedAtMs).toISOString().slice(0, 19).replace('T', ' ') },
      ]),
    );
    return 0;
  });
  verb(group, context, 'restore <sha256...>', 'move objects back to their store; the next start keeps the referenced ones')
    .with((command) => command.option(...urlOption))
    .runs(async (session, options: DatabaseOptions, sha256s: string[]) => {
      const restored: string[] = [];
      for (const sha256 of sha256s) {
        if (!/^[0-9a-f]{64}$/.test(sha256))
          throw new CliError(
            `'${sha256.slice(0, 80)}' is not a sha256: expected 64 hexadecimal digits, as printed by penstock trash list`,
            2,
          );
        await withStores(session, options, async (stores) => {
          for (const { name, store } of stores) if (await store.restore(sha256)) restored.push(`${name}/${sha256}`);
        });
        if (!restored.some((each) => each.endsWith(sha256))) throw new CliError(`${sha256} is not in the trash: see penstock trash list`);
      }
      session.print(restored, `restored ${restored.join(', ')}\n`);
      return 0;
    });
}

function urlOf({ context }: VerbSession, { dataDir, databaseUrl }: DatabaseOptions): string | null {
  return databaseUrl ?? loadSetting('databaseUrl', { flags: { dataDir }, env: context.env });
}

async function withStores<T>(
  session: VerbSession,
  options: DatabaseOptions,
  run: (stores: readonly { readonly name: string; readonly store: ObjectStore }[]) => Promise<T>,
): Promise<T> {
  const { FileObjectStore, openInstalledStores } = await import('../../../storage/index.ts');
  const { dataDir } = options;
  const names = ['objects', 'buckets'] as const;
  const installed = await openInstalledStores({ dataDir, databaseUrl: urlOf(session, options), clock: session.context.clock }).catch(
    (error: unknown) => {
      if (error instanceof PlatformError && error.code === 'not_found') return null;
      throw error;
    },
  );
  // Without its database, the folders may be all that is left.
  if (installed === null) return run(names.map((name) => ({ name, store: new FileObjectStore(join(dataDir, name)) })));
  try {
    return await run(names.map((name) => ({ name, store: installed.stores[name] })));
  } finally {
    await installed.close();
  }
}

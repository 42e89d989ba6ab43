/**
 * Moves an installation to another database and another place for its objects: a backup, its restore, and a check of every object. The
 * source stays as it is, so a migration that fails or is killed can be repeated; what was uploaded is not uploaded again. What a killed one has
 * left on the disk is removed by the next one, or by the next server of a data directory in the same folder.
 */
import { dirname, join, resolve } from 'node:path';
import { asDiskError, holderOf } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';
import { databaseName } from '../installation.ts';
import { serverOn } from '../postgres/server-lock.ts';
import { readDatabase } from './read-database.ts';
import { type RestoreResult, restoreBackup } from './restore-backup.ts';
import { createStagingFolder, removeUnfinishedCopies, type StagingFolder } from './staging-folder.ts';
import { type VerifyOptions, type VerifyResult, verifyDataDirectory } from './verify.ts';
import { writeBackup } from './write-backup.ts';

/** The installation to move, and where to. */
export interface MigrateOptions extends VerifyOptions {
  readonly to: {
    /** A new data directory. */
    readonly dataDir: string;
    /** An empty PostgreSQL database; null for SQLite. */
    readonly databaseUrl: string | null;
    /** An empty place, as `--objects` names it; null for the folders of the data directory. */
    readonly objects: string | null;
  };
}

/** What was restored, and what the check of every object found. */
export interface MigrateResult {
  readonly restored: RestoreResult;
  readonly verified: VerifyResult;
}

/**
 * Throws as `writeBackup` and `restoreBackup` do, `wrong_state` if a server uses the source, and `unavailable` if the target does not hold what
 * was moved.
 */
export async function migrate({ to, ...from }: MigrateOptions): Promise<MigrateResult> {
  const { clock } = from;
  // Beside the target: its disk has the room. Other users must not read the keys in it, and a killed migration must not leave it there.
  const parent = dirname(resolve(to.dataDir));
  await rejectRunning(from);
  await removeUnfinishedCopies(to.dataDir);
  const staging = await stagingIn(parent);
  const file = join(staging.path, 'moved.tar');
  try {
    await writeBackup({ ...from, file });
    await rejectRunning(from); // one that was started meanwhile
    const restored = await restoreBackup({ ...to, file, clock });
    const verified = await verifyDataDirectory({ dataDir: to.dataDir, databaseUrl: to.databaseUrl, clock });
    const lost = [...verified.missing, ...verified.damaged].filter((name) => ![...restored.missing, ...restored.damaged].includes(name));
    if (lost.length > 0 || verified.database.length > 0) {
      const what = [...verified.database, ...lost].slice(0, 5).join(', ');
      throw new PlatformError(
        'unavailable',
        `the target differs from what was moved: ${what}. The source is unchanged: migrate to another target`,
      );
    }
    return { restored, verified };
  } finally {
    await staging.remove();
  }
}

/** What a server writes during a migration is not moved, and would be lost without a word. In a cluster, it may run on another machine. */
async function rejectRunning({ dataDir, databaseUrl, clock }: VerifyOptions): Promise<void> {
  const advice = 'stop that server, then migrate: what it writes meanwhile would not be moved';
  const holder = holderOf(dataDir);
  if (holder !== null) throw new PlatformError('wrong_state', `${dataDir} is in use by ${holder}: ${advice}`);
  if (databaseUrl === null) return;
  const { db, close } = await readDatabase(databaseUrl, '', clock);
  try {
    const server = await serverOn(db);
    if (server !== null) throw new PlatformError('wrong_state', `${databaseName(databaseUrl)} is in use by ${server}: ${advice}`);
  } finally {
    await close();
  }
}

async function stagingIn(parent: string): Promise<StagingFolder> {
  try {
    return await createStagingFolder(parent);
  } catch (error) {
    throw asDiskError(error, `write in ${parent}`);
  }
}

/** Data that was uploaded together with a job. It is deleted with the last job that uses it, so that `reproduce` finds it until then. */
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Database } from '../storage/index.ts';
import { nextTurn } from '../threads/index.ts';
import { objectsUnder, type TrainingBuckets } from './attempts/buckets.ts';
import type { TrainingSpec } from './spec.ts';

/** The bucket of uploaded data and, unless another output is named, of results. It is created with the first job that needs it. */
export const trainingBucket = 'penstock-training';

/** All uploads are below it. */
export const uploadsFolder = 'uploads/';

/** Marks what was uploaded with a job, so that no object of a user is ever taken for it. */
export const uploadMark: Readonly<Record<string, string>> = { 'penstock-upload': 'job' };

/** The folder of one upload, with a folder per channel. */
const uploadPattern = /^uploads\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\//;
const objectsMax = 200_000;
const deletedAtOnce = 500;

export interface UploadedDataDeps {
  readonly db: Database;
  readonly buckets: TrainingBuckets;
  readonly log: Log;
}

/** Folders of uploads that a spec reads. Pure. */
export function uploadsOf({ channels }: Pick<TrainingSpec, 'channels'>): readonly string[] {
  const folders = channels.flatMap(({ source }) =>
    source.kind === 's3' && source.bucket === trainingBucket ? (uploadPattern.exec(source.prefix)?.[0] ?? []) : [],
  );
  return [...new Set(folders)];
}

/** The name of an upload's folder; null if the folder is none. Pure. */
export function uploadIdOf(folder: string): string | null {
  return uploadPattern.exec(folder)?.[0] === folder ? folder.slice(uploadsFolder.length, -1) : null;
}

/** Deletes the uploads of a deleted job to which nothing else refers. Never throws. */
export async function releaseUploads({ db, buckets, log }: UploadedDataDeps, spec: Pick<TrainingSpec, 'channels'>): Promise<void> {
  for (const folder of uploadsOf(spec)) {
    try {
      if (await isUsed(db, folder)) continue;
      let keys: string[] = [];
      const flush = async (): Promise<void> => {
        await buckets.deleteAll(trainingBucket, keys);
        keys = [];
      };
      for await (const { key } of objectsUnder(buckets, trainingBucket, folder, objectsMax)) {
        keys.push(key);
        if (keys.length === deletedAtOnce) await flush();
      }
      await flush();
    } catch (error) {
      log.warn({ folder, error: messageOf(error) }, 'failed to delete the uploaded data of a training job');
    }
  }
}

/** The name of an upload is unique, so any text that has it refers to it. */
export async function isUsed(db: Database, folder: string): Promise<boolean> {
  const like = `%${uploadIdOf(folder)}%`;
  const found = [
    () => db.selectFrom('training_jobs').select('name_key').where('document', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('tuning_jobs').select('name_key').where('document', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('pipeline_revisions').select('name_key').where('document', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('pipeline_runs').select('name_key').where('document', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('pipeline_executions').select('id').where('document', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('aws_documents').select('name_key').where('content', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('transforms').select('name_key').where('document', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('async_requests').select('id').where('document', 'like', like).limit(1).executeTakeFirst(),
    () => db.selectFrom('event_rules').select('name').where('document', 'like', like).limit(1).executeTakeFirst(),
  ];
  for (const find of found) {
    if ((await find()) !== undefined) return true;
    await nextTurn();
  }
  return false;
}

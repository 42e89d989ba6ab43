/** Lists the objects that database rows reference: files and manifests of model versions, files of evaluations, code of
 * training jobs and pipelines, and pieces of S3 objects. */
import type { Database, Transaction } from '../tables.ts';

/** The two object stores of a data directory, by folder name. */
export type StoreName = 'objects' | 'buckets';

/** An object that some row needs, and the store that must have it. */
export interface ReferencedObject {
  readonly store: StoreName;
  readonly sha256: string;
}

const pageSize = 1000;

/** Yields each object once, ordered by store and address. Reads page by page, so memory is bounded. */
export async function* referencedObjects(db: Database | Transaction): AsyncGenerator<ReferencedObject> {
  for (const store of ['objects', 'buckets'] as const) {
    for (let after = ''; ; ) {
      const rows = await (store === 'objects' ? artifactsAfter(db, after) : piecesAfter(db, after));
      for (const { sha256 } of rows) yield { store, sha256 };
      const last = rows.at(-1);
      if (last === undefined || rows.length < pageSize) break;
      after = last.sha256;
    }
  }
}

function artifactsAfter(db: Database | Transaction, after: string) {
  return db
    .selectFrom('model_versions')
    .select('artifact_sha256 as sha256')
    .where('artifact_sha256', '>', after)
    .union(db.selectFrom('version_files').select('sha256').where('sha256', '>', after))
    .union(db.selectFrom('evaluation_files').select('sha256').where('sha256', '>', after))
    .union(trainingSourcesAfter(db, after))
    .union(tuningSourcesAfter(db, after))
    .union(pipelineSourcesAfter(db, after))
    .orderBy('sha256')
    .limit(pageSize)
    .execute();
}

function trainingSourcesAfter(db: Database | Transaction, after: string) {
  const sources = db.selectFrom('training_jobs').where('source_sha256', 'is not', null).where('source_sha256', '>', after);
  return sources.select((row) => row.ref('source_sha256').$notNull().as('sha256'));
}

function tuningSourcesAfter(db: Database | Transaction, after: string) {
  const sources = db.selectFrom('tuning_jobs').where('source_sha256', 'is not', null).where('source_sha256', '>', after);
  return sources.select((row) => row.ref('source_sha256').$notNull().as('sha256'));
}

function pipelineSourcesAfter(db: Database | Transaction, after: string) {
  const sources = db.selectFrom('pipeline_revisions').where('source_sha256', 'is not', null).where('source_sha256', '>', after);
  return sources.select((row) => row.ref('source_sha256').$notNull().as('sha256'));
}

/** Pieces stored inline in their row have no file. */
function piecesAfter(db: Database | Transaction, after: string) {
  return db
    .selectFrom('s3_pieces')
    .select('sha256')
    .where('sha256', '>', after)
    .where('content', 'is', null)
    .groupBy('sha256')
    .orderBy('sha256')
    .limit(pageSize)
    .execute();
}

/** Tags of resources that other modules store: alarms and log groups. Removed when an AWS call deletes the resource, or creates it again. */
import { createHash } from 'node:crypto';
import { type Database, inTransaction } from '../storage/index.ts';
import type { Documents } from './sagemaker/documents.ts';
import type { TagMap } from './tag-map.ts';

const kind = 'resource-tags';

export class ResourceTags {
  readonly #db: Database;
  readonly #documents: Documents;

  constructor(db: Database, documents: Documents) {
    this.#db = db;
    this.#documents = documents;
  }

  async of(arn: string): Promise<TagMap> {
    return (await this.#documents.find<TagMap>(kind, nameOf(arn)))?.content ?? {};
  }

  /** An error of `change` changes nothing. */
  async change(arn: string, change: (tags: TagMap) => TagMap): Promise<void> {
    await inTransaction(this.#db, async (tx) => {
      await this.#documents.add({ kind, name: nameOf(arn), content: {} }, tx);
      await this.#documents.change(kind, nameOf(arn), change, tx);
    });
  }

  /** For a new resource, which must not have the tags of an earlier one. */
  async begin(arn: string, tags: TagMap): Promise<void> {
    if (Object.keys(tags).length > 0) await this.#documents.put({ kind, name: nameOf(arn), content: tags });
    else await this.discard(arn);
  }

  async discard(arn: string): Promise<void> {
    await this.#documents.remove(kind, nameOf(arn));
  }
}

/** Names of documents ignore case, those of alarms and log groups do not. */
function nameOf(arn: string): string {
  return createHash('sha256').update(arn).digest('hex');
}

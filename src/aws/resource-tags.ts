/** Tags of resources that other modules store: alarms and log groups. Removed when an AWS call deletes the resource, or creates it again. */
import { createHash } from 'node:crypto';
import { type Database, inTransaction } from '../storage/index.ts';
import type { Documents } from './sagemaker/documents.ts';
import { AwsError } from './service.ts';

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

/** By key; keys are case-sensitive. */
export type TagMap = Readonly<Record<string, string>>;

const tagsMax = 50;

/** Throws `code` for `aws:` keys and too many tags. */
export function checkTags(tags: TagMap, code: string): TagMap {
  const reserved = Object.keys(tags).find((key) => /^aws:/i.test(key));
  if (reserved !== undefined) throw new AwsError(code, `Tag key '${reserved}' is reserved: expected a key without the prefix aws:`);
  return checkTagCount(tags, code);
}

/** Throws `code` for too many tags. Those of other APIs may have any key. */
export function checkTagCount(tags: TagMap, code: string): TagMap {
  const count = Object.keys(tags).length;
  if (count > tagsMax) throw new AwsError(code, `A resource has at most ${tagsMax} tags, got ${count}`);
  return tags;
}

/** The rules that AWS has for the tags of every resource. Pure. */
import { AwsError } from './service.ts';

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

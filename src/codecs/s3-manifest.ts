/** Manifests of SageMaker jobs: `[{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"]`. */
import { PlatformError } from '../errors.ts';
import { Slices } from '../threads/index.ts';

export interface S3Manifest {
  /** `s3://bucket/folder/` */
  readonly prefix: string;
  /** Keys without the prefix. */
  readonly names: readonly string[];
}

const head = /^\s*\[\s*(\{[^{}]*\})/;
const headCharactersMax = 16 * 1024;
const namesPerSlice = 1000;

/**
 * Reads name by name in slices, because the whole JSON would hold the event loop: a manifest may have hundreds of thousands of names. Throws
 * `invalid_request` if it has another form, `too_large` for more than `namesMax` names; the message continues the name of the manifest.
 */
export async function readS3Manifest(text: string, namesMax: number): Promise<S3Manifest> {
  const [start = '', first] = head.exec(text.slice(0, headCharactersMax)) ?? [];
  const prefix = first === undefined ? undefined : (jsonOf(first) as { readonly prefix?: unknown }).prefix;
  const names: string[] = [];
  // A key has at most 1,024 characters, of which each takes up to six in JSON.
  const entry = /\s*,\s*("(?:[^"\\]|\\.){0,6144}")/y;
  const slices = new Slices(namesPerSlice);
  let end = start.length;
  for (;;) {
    entry.lastIndex = end;
    const found = entry.exec(text);
    if (found === null) break;
    if (names.length === namesMax) throw new PlatformError('too_large', `has more than ${namesMax} names`);
    end = entry.lastIndex;
    names.push(jsonOf(found[1] as string) as string);
    await slices.done(1);
  }
  if (typeof prefix !== 'string' || text.slice(end).trim() !== ']') throw malformed();
  return { prefix, names };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause?: unknown): PlatformError {
  return new PlatformError('invalid_request', 'is malformed: expected [{"prefix": "s3://BUCKET/FOLDER/"}, "NAME", ...]', { cause });
}

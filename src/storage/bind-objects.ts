/**
 * Binds the objects of an installation to its database. The database names the place of its objects, and a remote place holds the id of its
 * installation. Otherwise a start with another place would find none of its models, and a sweep would empty a foreign one. A place that
 * holds the id of this installation is accepted under another address.
 */
import { PlatformError } from '../errors.ts';
import { inTransaction } from './database.ts';
import type { Blobs } from './objects/blobs.ts';
import { referencedObjects } from './objects/referenced-objects.ts';
import type { Database } from './tables.ts';

/** The two sides to compare: what the database says, and what the place holds. */
export interface ObjectsBinding {
  readonly db: Database;
  /** As `objectPlaceOf` writes it; null for the folders of the data directory. */
  readonly place: string | null;
  /** Null for folders. */
  readonly blobs: Blobs | null;
}

const idKey = 'installation.json';
const idBytesMax = 4096;

/** Call after `bindInstallation`, before any sweep. Throws `wrong_state` naming both, or `unavailable` at the first start. */
export async function bindObjects({ db, place, blobs }: ObjectsBinding): Promise<void> {
  const row = await db.selectFrom('installation').select(['id', 'objects']).where('slot', '=', 1).executeTakeFirstOrThrow();
  if (row.objects !== place && (await hasReferences(db)) && (blobs === null || (await idIn(blobs, idKey)) !== row.id)) {
    throw new PlatformError('wrong_state', `${elsewhere(row.objects, place)}. Nothing was changed. ${remedyFor(row.objects)}`);
  }
  if (blobs !== null) {
    try {
      await claimPlace(blobs, row.id);
    } catch (error) {
      // A place that was bound before may be away: what has a copy on this machine is served meanwhile.
      if (!(error instanceof PlatformError) || error.code !== 'unavailable' || row.objects !== place) throw error;
    }
  }
  if (row.objects !== place) await storePlace(db, place);
}

/**
 * Why a server with this place cannot serve the installation, as the database alone shows it; null if it can, or if nothing is stored yet. A
 * place that is known under two addresses is reported, too.
 */
export async function otherPlace(db: Database, place: string | null): Promise<string | null> {
  const row = await db.selectFrom('installation').select('objects').where('slot', '=', 1).executeTakeFirst();
  if (row === undefined || row.objects === place || !(await hasReferences(db))) return null;
  return `${elsewhere(row.objects, place)}. ${remedyFor(row.objects)}`;
}

/** Throws `wrong_state` if the place belongs to another installation, or holds objects of an unknown one that the caller did not write. */
export async function claimPlace(blobs: Blobs, id: string, objects: 'unknown' | 'restored' = 'unknown'): Promise<void> {
  const owner = await idIn(blobs, idKey);
  if (owner === id) return;
  const choose = 'Nothing was changed. Choose another prefix: --objects s3://BUCKET/PREFIX';
  if (owner !== null) throw new PlatformError('wrong_state', `${blobs.place} belongs to installation ${owner}, not to ${id}. ${choose}`);
  if (objects === 'unknown' && (await hasObjects(blobs)))
    throw new PlatformError('wrong_state', `${blobs.place} holds objects of an unknown installation. ${choose}`);
  await writeId(blobs, idKey, id);
}

/** Stores the place of the objects in the row of the installation. */
export function storePlace(db: Database, place: string | null): Promise<void> {
  return inTransaction(db, async (tx) => {
    await tx.updateTable('installation').set({ objects: place }).where('slot', '=', 1).execute();
  });
}

/** Holds the id of an installation while a restore uploads its objects. */
export const restoringKey = 'restoring.json';

/** Marks the place for a restore. Throws `wrong_state` unless it is unused, or has the mark of an aborted restore of this installation. */
export async function requireUnused(blobs: Blobs, id: string): Promise<void> {
  const owner = await idIn(blobs, idKey);
  if (owner === null && (await idIn(blobs, restoringKey)) === id) return;
  if (owner !== null || (await hasObjects(blobs))) {
    const why = owner === null ? 'holds objects' : `belongs to installation ${owner}`;
    throw new PlatformError('wrong_state', `${blobs.place} ${why}: choose an empty prefix. Nothing was overwritten`);
  }
  await writeId(blobs, restoringKey, id);
}

async function hasObjects(blobs: Blobs): Promise<boolean> {
  for (const name of ['objects/', 'buckets/']) for await (const _ of blobs.list(name)) return true;
  return false;
}

async function writeId(blobs: Blobs, key: string, id: string): Promise<void> {
  const content = Buffer.from(`${JSON.stringify({ id })}\n`);
  await blobs.write(key, { content, bytes: content.length });
}

async function hasReferences(db: Database): Promise<boolean> {
  for await (const _ of referencedObjects(db)) return true;
  return false;
}

async function idIn(blobs: Blobs, key: string): Promise<string | null> {
  const bytes = await blobs.sizeOf(key);
  if (bytes === undefined) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of blobs.read(key, 0, Math.min(bytes, idBytesMax))) chunks.push(chunk);
  try {
    return String((JSON.parse(Buffer.concat(chunks).toString('utf8')) as { readonly id?: unknown }).id);
  } catch {
    return 'unknown';
  }
}

function elsewhere(objects: string | null, place: string | null): string {
  return `the objects of this installation are in ${nameOf(objects)}, not in ${nameOf(place)}`;
}

function nameOf(place: string | null): string {
  if (place === null) return 'the folders of the data directory';
  return place === 'postgres' ? 'the database' : place;
}

function remedyFor(place: string | null): string {
  return place === null ? 'Start without --objects' : `Start with --objects '${place}'`;
}

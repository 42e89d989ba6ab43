/**
 * Keys in the database, for all servers that have the same cluster key. `keys.json` is a copy, by which commands on this machine find an
 * admin key, and the server starts.
 *
 * All keys are one sealed row with a revision. A change replaces the row if its revision is still the same, so none is lost; other servers
 * see it within half a second.
 */
import { type Clock, Loop } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Database } from '../storage/index.ts';
import type { Access } from './access.ts';
import type { KeyLimits } from './key-limits.ts';
import { remainingKeys } from './key-list.ts';
import { type Key, parseKeys } from './keys-file.ts';
import type { Role } from './roles.ts';
import { type ClusterKeys, seal, unseal } from './sealed-keys.ts';

const readEveryMs = 500;
/** Another server may change the keys at the same time, but not this often. */
const attemptsMax = 20;

/** Creates and revokes keys: in `keys.json`, or in the database. */
export interface KeyChanges {
  /** This is the only time that the secret is returned. */
  create(role: Role, description: string, limits: KeyLimits): Promise<Key>;
  /** Throws `not_found`; `wrong_state` for the last admin key. */
  revoke(id: string): Promise<void>;
  /** Encrypts the keys again, with the first cluster key. */
  reseal(): Promise<void>;
}

/** The database, and the key that opens what is in it. */
export interface SharedKeysOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly access: Access;
  readonly clusterKeys: ClusterKeys;
  /** The next read is due in half a second anyway. */
  readonly onFailure: (error: unknown) => void;
}

interface Shared {
  readonly revision: number;
  readonly keys: readonly Key[];
}

export class SharedKeys implements KeyChanges {
  readonly #options: SharedKeysOptions;
  readonly #loop: Loop;
  #revision = 0;

  private constructor(options: SharedKeysOptions) {
    const { clock, onFailure } = options;
    this.#options = options;
    this.#loop = new Loop({ clock, everyMs: readEveryMs, run: () => this.refresh(), onFailure });
  }

  /** Uses the keys in the database. The first server stores its own there. Throws `wrong_state` if they were sealed with another key. */
  static async open(options: SharedKeysOptions): Promise<SharedKeys> {
    const { db, clock, access, clusterKeys } = options;
    const shared = new SharedKeys(options);
    const sealed = seal(JSON.stringify({ keys: access.keys() }), clusterKeys, contextOf(1));
    await db
      .insertInto('shared_keys')
      .values({ id: 1, revision: 1, sealed, changed_at: clock.wallMs() })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
    await shared.refresh();
    shared.#loop.open();
    return shared;
  }

  async create(role: Role, description: string, limits: KeyLimits): Promise<Key> {
    const key = this.#options.access.newKey(role, description, limits);
    await this.#change((keys) => [...keys, key]);
    return key;
  }

  async revoke(id: string): Promise<void> {
    await this.#change((keys) => remainingKeys(keys, id));
  }

  async reseal(): Promise<void> {
    await this.#change((keys) => [...keys]);
  }

  /** Uses the keys of the database if they changed. */
  async refresh(): Promise<void> {
    const row = await this.#options.db.selectFrom('shared_keys').select('revision').where('id', '=', 1).executeTakeFirst();
    if (row !== undefined && Number(row.revision) > this.#revision) this.#use(await this.#read());
  }

  async close(): Promise<void> {
    await this.#loop.close();
  }

  async #change(edit: (keys: readonly Key[]) => Key[]): Promise<void> {
    const { db, clock, clusterKeys } = this.#options;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const before = await this.#read();
      const keys = edit(before.keys);
      const revision = before.revision + 1;
      const { numUpdatedRows } = await db
        .updateTable('shared_keys')
        .set({ revision, sealed: seal(JSON.stringify({ keys }), clusterKeys, contextOf(revision)), changed_at: clock.wallMs() })
        .where('id', '=', 1)
        .where('revision', '=', before.revision)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows > 0n) return this.#use({ revision, keys });
    }
    throw new PlatformError('unavailable', 'other servers change the keys at the same time: try again', { retryAfterMs: 1000 });
  }

  async #read(): Promise<Shared> {
    const row = await this.#options.db.selectFrom('shared_keys').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
    const revision = Number(row.revision);
    const text = unseal(row.sealed, this.#options.clusterKeys, contextOf(revision));
    if (text === null) {
      throw new PlatformError(
        'wrong_state',
        'the keys in the database were encrypted with another cluster key: start with the --cluster-key-file of the server that stored them',
      );
    }
    return { revision, keys: parseKeys(text, 'the list of keys in the database') };
  }

  /** A slower read does not bring older keys back. */
  #use({ revision, keys }: Shared): void {
    if (revision <= this.#revision) return;
    this.#options.access.replace(keys);
    this.#revision = revision;
  }
}

/** An older row under a newer revision does not open. */
function contextOf(revision: number): string {
  return `penstock keys ${revision}`;
}

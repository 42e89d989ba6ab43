/**
 * Verifies that files match their name, the SHA-256 of their content. A verified file is not read again while its inode, size and times
 * are unchanged, so starting another worker of a known model costs one stat.
 */
import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { asDiskError, systemCode } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';
import type { FileHasher } from './file-hasher.ts';

interface Verified {
  /** Device, inode, size, mtime and ctime. */
  identity: string;
  /** The SHA-256 of the content as read. */
  readonly sha256: Promise<string>;
}

/** Remembers in memory only, so every file is read again after a restart. */
export class VerifiedFiles {
  readonly #hasher: Pick<FileHasher, 'sha256Of'>;
  readonly #verified = new Map<string, Verified>();

  constructor(hasher: Pick<FileHasher, 'sha256Of'>) {
    this.#hasher = hasher;
  }

  /**
   * Resolves if the content matches the file's name. Throws `unavailable` if it does not, or if the file is missing or unreadable. Files
   * whose name is not a SHA-256 are not checked.
   */
  async check(path: string): Promise<void> {
    const expected = basename(path);
    if (!/^[0-9a-f]{64}$/.test(expected)) return;
    const actual = await this.#sha256Of(path);
    if (actual !== expected) throw damaged(path, actual);
  }

  /** Changes links or permissions of a file. `make` updates the ctime but not the content, so the verification remains valid. */
  change(path: string, make: () => void): void {
    const known = this.#verified.get(path);
    const isSame = known !== undefined && known.identity === identityNow(path);
    make();
    if (isSame) known.identity = identityNow(path) ?? known.identity;
  }

  /**
   * Reads the file again at a limited rate, even if it was verified. Returns null if it matches its name or no longer exists, otherwise
   * its SHA-256.
   */
  async recheck(path: string, bytesPerSecond: number): Promise<string | null> {
    const identity = await identityOf(path);
    if (identity === null) return null;
    let sha256: string;
    try {
      sha256 = await this.#hasher.sha256Of(path, bytesPerSecond);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null;
      throw error;
    }
    if (sha256 === basename(path)) return null;
    // A failing disk may change bytes without updating the times, so this replaces the earlier result.
    this.#verified.set(path, { identity, sha256: Promise.resolve(sha256) });
    return sha256;
  }

  async #sha256Of(path: string): Promise<string> {
    const identity = await identityOf(path);
    if (identity === null) throw missing(path);
    const known = this.#verified.get(path);
    if (known?.identity === identity) return known.sha256;
    const verified = { identity, sha256: this.#hasher.sha256Of(path) };
    this.#verified.set(path, verified);
    try {
      const sha256 = await verified.sha256;
      // Changed while it was read: the next check reads it again.
      if ((await identityOf(path)) !== verified.identity) this.#removeOldSamples(path, verified);
      return sha256;
    } catch (error) {
      this.#removeOldSamples(path, verified);
      throw systemCode(error) === 'ENOENT' ? missing(path) : error;
    }
  }

  #removeOldSamples(path: string, verified: Verified): void {
    if (this.#verified.get(path) === verified) this.#verified.delete(path);
  }
}

/** Null if the file does not exist. */
async function identityOf(path: string): Promise<string | null> {
  try {
    return identityIn(await stat(path, { bigint: true }));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw asDiskError(error, `read ${path}`);
  }
}

function identityNow(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : identityIn(found);
}

function identityIn({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

const remedy = 'restore it from a backup, or register the model again';

function damaged(path: string, actual: string): PlatformError {
  return new PlatformError(
    'unavailable',
    `the file ${path} is damaged: expected the sha256 in its name, got ${actual}. It is not served; ${remedy}`,
  );
}

function missing(path: string): PlatformError {
  return new PlatformError('unavailable', `the file ${path} is missing: ${remedy}`);
}

/** Writes a large file atomically. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, rm } from 'node:fs/promises';
import { asDiskError, systemCode } from '../../data-directory/index.ts';
import { PlatformError } from '../../errors.ts';

/** Readable by its owner only. Returns its size. Throws `already_exists` or `unavailable`. */
export async function writeWholeFile(path: string, source: AsyncIterable<Uint8Array>): Promise<number> {
  const temporary = `${path}.${randomUUID()}.partial`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    let bytes = 0;
    try {
      for await (const chunk of source) {
        await writeAll(file, chunk);
        bytes += chunk.byteLength;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path); // Unlike a rename, a link never replaces an existing file.
    return bytes;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw new PlatformError('already_exists', `${path} exists: choose another file`, { cause: error });
    throw asDiskError(error, `write ${path}`);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) offset += (await file.write(chunk, offset)).bytesWritten;
}

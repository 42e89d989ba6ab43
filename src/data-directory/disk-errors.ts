/** Turns errors of the file system and of SQLite into messages that an operator can act on. */
import { PlatformError } from '../errors.ts';

const full = 'the disk is full (or a file-size limit or quota is reached): free space and try again';
const readOnly = 'it is not writable: check the mount and the owner of the directory';

const texts: Readonly<Record<string, string>> = {
  ENOSPC: full,
  EDQUOT: full,
  EFBIG: full,
  EROFS: readOnly,
  EACCES: readOnly,
  EPERM: readOnly,
  EIO: 'the disk reports an input/output error: look at the kernel log',
  EMFILE: 'too many files are open: raise the limit (ulimit -n)',
};

/** SQLite's primary result codes: `errcode & 255`. */
const sqliteTexts: Readonly<Record<number, string>> = {
  8: readOnly,
  10: 'the disk is full, limited or failing: free space, check the disk and try again',
  11: 'the file is damaged: restore it from a backup',
  13: full,
  14: 'the file cannot be opened or created: check the path, the owner of the directory and free space',
  26: 'the file is not a database: move it away or choose another --data-dir',
};

/** Maps disk failures to `unavailable` with the message `cannot <doing>: <reason and remedy>`. Returns any other error unchanged. */
export function asDiskError(error: unknown, doing: string): unknown {
  const why = reasonOf(error);
  return why === undefined ? error : new PlatformError('unavailable', `cannot ${doing}: ${why}`, { cause: error });
}

function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ERR_SQLITE_ERROR') {
    return 'errcode' in error && typeof error.errcode === 'number' ? sqliteTexts[error.errcode & 255] : undefined;
  }
  return typeof code === 'string' ? texts[code] : undefined;
}

/** The system error code, such as `ENOENT`, if the error has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

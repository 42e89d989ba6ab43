export { DataDirectory, holderOf, type LockHolder, openDataDirectory, readLock } from './data-directory.ts';
export { asDiskError, systemCode } from './disk-errors.ts';
export { FileLock } from './file-lock.ts';
export { makeDirectory } from './make-directory.ts';
export { keepReserve } from './reserve.ts';
export { tightenDirectory } from './tighten.ts';
export { writeFileAtomically } from './write-file-atomically.ts';

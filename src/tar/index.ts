export { readTar, type TarEntry } from './read-tar.ts';
export { type TarFile, tarOf } from './write-tar.ts';

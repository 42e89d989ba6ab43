export { readZip, type ZipEntry } from './read-zip.ts';

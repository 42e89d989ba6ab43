/** The object stores of the data directory, with their verified files and their trash. */

import type { Clock } from '../clock.ts';
import type { Closers } from '../closers.ts';
import { type DataDirectory } from '../data-directory/index.ts';
import type { Log } from '../logs/index.ts';
import { FileHasher, FileObjectStore, VerifiedFiles } from '../storage/index.ts';
import { ServerTrash } from './server-trash.ts';

export interface ObjectStores {
  /** Artifacts of model versions. */
  readonly objects: FileObjectStore;
  /** Contents of buckets. */
  readonly buckets: FileObjectStore;
  /** Files whose content was verified since the start. */
  readonly files: VerifiedFiles;
  readonly trash: ServerTrash;
}

export function openStores(directory: DataDirectory, clock: Clock, log: Log, closers: Closers): ObjectStores {
  const objects = new FileObjectStore(directory.objects);
  const buckets = new FileObjectStore(directory.buckets);
  const hasher = new FileHasher();
  closers.add(hasher);
  const trash = new ServerTrash({ clock, log, stores: { objects, buckets } });
  closers.add(trash);
  return { objects, buckets, files: new VerifiedFiles(hasher), trash };
}

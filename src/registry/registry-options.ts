/** What the registry is opened with, and the requests and results of its operations. */
import type { Clock } from '../clock.ts';
import type { Log } from '../logs/index.ts';
import type { Audit, Events } from '../records/index.ts';
import type { Bundle } from '../runtime/index.ts';
import type { Database, ObjectStore, Transaction } from '../storage/index.ts';
import type { ImageEntry } from './images/images.ts';
import type { ModelVersion } from './model-version.ts';
import type { OpenModel } from './openings.ts';
import type { ForeignCodeCheck } from './registration.ts';
import type { Inspect } from './uploads/inspected-upload.ts';
import type { Recognise } from './uploads/python-upload.ts';

/** Collaborators of the registry. Functions that inspect files run in a worker, never here. */
export interface RegistryOptions {
  readonly db: Database;
  readonly objects: ObjectStore;
  /** Throws if the content of an artifact does not match its sha256. Without it, artifacts are not checked. */
  readonly checkArtifact?: (path: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Audit;
  readonly inspect: Inspect;
  /** Inspects the archive of a process model in a worker. */
  readonly inspectBundle: (path: string) => Promise<Bundle>;
  /** The images table. Default: only the built-in image. */
  readonly images?: readonly ImageEntry[];
  readonly checkForeignCode?: ForeignCodeCheck;
  /** Reads what a file or a folder holds without running it. Absent: Python models are not recognised. */
  readonly recognise?: Recognise;
  /** Throws `invalid_request` if there is no Python environment of this name. */
  readonly expectEnvironment?: (name: string) => Promise<void>;
  /** Opens a Python model in a worker. Absent: this server runs no Python. */
  readonly openPython?: OpenModel;
  /** The folder of `catalogue.json`. */
  readonly catalogueDirectory: string;
  /** Endpoints that use the version; called within the deleting transaction. */
  readonly inUse: (group: string, version: number, tx: Transaction) => Promise<readonly string[]>;
  /** Called within the transaction that deletes a group. The returned function is called after the commit. */
  readonly removeGroup?: (group: string, tx: Transaction) => Promise<() => void>;
  /** Default: 2 GiB. */
  readonly modelBytesMax?: number;
}

/** The result of a registration. */
export interface Registration {
  readonly version: ModelVersion;
  /** Whether an existing version with the same bytes was returned, because `reuse` was requested. */
  readonly reused: boolean;
}

export interface VersionPage {
  readonly limit?: number;
  readonly offset?: number;
}

/** Changeable fields of a version; absent fields are unchanged. */
export interface VersionChange {
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly tags?: Readonly<Record<string, string>>;
  /** Note on the approval. */
  readonly approvalNote?: string;
}

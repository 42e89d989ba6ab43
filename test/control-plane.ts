/** The real modules below the control plane, in a separate directory: for tests of the modules above. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, VirtualClock } from '../src/clock.ts';
import { openLogs } from '../src/logs/index.ts';
import { Audit, Decisions, Events } from '../src/records/index.ts';
import { Registry, type RegistryOptions } from '../src/registry/index.ts';
import type { Inspection } from '../src/runtime/index.ts';
import { FileObjectStore, type OpenDatabase } from '../src/storage/index.ts';
import { openFileDatabase } from './empty-database.ts';

export const catalogueDirectory = fileURLToPath(new URL('../assets/catalogue/', import.meta.url));

/** A worker's inspection of a small model: one input of four numbers, one output of four. */
export function plainInspection(more: Partial<Inspection> = {}): Inspection {
  const signature = {
    inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [-1, 4] }],
    outputs: [{ name: 'y', datatype: 'FP32' as const, shape: [-1, 4] }],
  };
  const file = {
    opsets: { 'ai.onnx': 17 },
    producer: 'test',
    irVersion: 9,
    properties: {},
    notes: [],
    rewritten: false,
    loadMs: 20,
    dataFiles: [],
  };
  return { signature, ...file, batchable: true, batchableReason: 'rows do not depend on each other', ...more };
}

export interface ControlPlaneOptions
  extends Partial<
    Pick<
      RegistryOptions,
      | 'inspect'
      | 'inspectBundle'
      | 'checkArtifact'
      | 'images'
      | 'inUse'
      | 'removeGroup'
      | 'modelBytesMax'
      | 'recognise'
      | 'expectEnvironment'
      | 'openPython'
    >
  > {
  readonly clock?: Clock;
  /** That of an earlier one, to continue with its state. */
  readonly directory?: string;
  /** Default: SQLite in a file. */
  readonly database?: OpenDatabase;
}

export async function openControlPlane(options: ControlPlaneOptions = {}) {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'penstock-test-')));
  const clock = options.clock ?? new VirtualClock();
  const database = options.database ?? (await openFileDatabase(join(directory, 'state.db')));
  const { db } = database;
  const objects = new FileObjectStore(join(directory, 'objects'));
  const events = new Events(db, clock);
  const audit = new Audit(db, clock);
  const decisions = new Decisions(db, clock, events);
  const log = openLogs(null, 'silent').platform;
  const { inspect = async () => plainInspection(), inUse = async () => [], ...rest } = options;
  const inspectBundle = async () => ({ files: 1, bytes: 10 });
  const registry = new Registry({ db, objects, clock, log, events, audit, catalogueDirectory, inspect, inspectBundle, inUse, ...rest });
  const close = async (): Promise<void> => {
    await database.close();
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, clock, database, db, objects, events, audit, decisions, log, registry, close };
}

export type ControlPlane = Awaited<ReturnType<typeof openControlPlane>>;

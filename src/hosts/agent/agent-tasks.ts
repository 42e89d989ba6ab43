/**
 * The tasks of a host, over all links and restarts of its agent: `LocalTasks` in a folder of the agent. A folder of which the task was not
 * started belongs to the link that prepared it; a task goes on without a link, and the next home finds it.
 */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { asDiskError, writeFileAtomically } from '../../data-directory/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { freeBytesMin, freeSpaceOf, type LocalProvider, type PythonHost, type TaskPaths, type TaskView } from '../../providers/index.ts';
import type { EnvironmentRef } from '../../python-model.ts';
import {
  type SentTaskSpec,
  type TaskReport,
  type TaskUsage,
  taskListingBytesMax,
  taskPieceBytes,
  tasksMax,
} from '../link/task-messages.ts';

export interface AgentTasksDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly tasks: LocalProvider['tasks'];
  /** Holds a folder per task; no other process uses it. */
  readonly folder: string;
  /** The path of an object, which is fetched from the home unless it is here. */
  readonly fetch: (sha256: string) => Promise<string>;
  readonly interpreterOf: PythonHost['interpreterOf'];
  /** What workers and tasks of this host may hold together, and what its workers hold. */
  readonly memoryMiB: number;
  readonly workersMiB: () => number;
}

/** What a home prepares a folder for. */
export interface TaskPreparation {
  readonly id: string;
  readonly threads: number;
  readonly memoryMiB: number;
  readonly environment: EnvironmentRef | null;
}

/** In the folder of a task, where only the agent can write. */
interface TaskNote extends TaskPreparation {
  /** Of the specification; empty before the start. */
  readonly digest: string;
  /** What the environment needs, as the task sees it. */
  readonly readOnly: readonly string[];
}

interface AgentTask {
  readonly folder: string;
  note: TaskNote;
  isStarted: boolean;
}

/** A range of a file, and what tells whether the file is still the same. */
export interface TaskRange {
  readonly size: number;
  readonly identity: string;
  readonly bytes: Buffer;
}

const noteName = 'host-task.json';

export class AgentTasks {
  readonly #deps: AgentTasksDeps;
  readonly #tasks = new Map<string, AgentTask>();
  readonly #discarding = new Map<string, Promise<void>>();
  #listener: ((report: TaskReport) => void) | null = null;

  constructor(deps: AgentTasksDeps) {
    this.#deps = deps;
    deps.tasks.onChange((view) => {
      const task = this.#tasks.get(view.id);
      if (task?.isStarted === true) this.#listener?.(reportOf(task, view));
    });
  }

  /** Finds the tasks of an earlier agent, and removes folders of which the task was not started. */
  async open(): Promise<void> {
    const { folder, tasks, log } = this.#deps;
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      let note: TaskNote | null;
      try {
        note = readNote(path);
      } catch (error) {
        log.error({ path, error: messageOf(error) }, 'the folder of a task cannot be read: it stays, and its task is lost for the home');
        continue;
      }
      const view = tasks.adopt(path);
      if (note !== null && view?.id === note.id) {
        this.#tasks.set(note.id, { folder: path, note, isStarted: true });
        log.info({ task: note.id, state: view.state }, 'a task of an earlier agent was found');
        continue;
      }
      await tasks
        .discard({ folder: path })
        .catch((error: unknown) => log.warn({ path, error: messageOf(error) }, 'a folder was not removed'));
    }
  }

  get size(): number {
    return this.#tasks.size;
  }

  /** Of its started tasks. */
  get ids(): readonly string[] {
    return [...this.#tasks].filter(([, { isStarted }]) => isStarted).map(([id]) => id);
  }

  /** What its tasks hold together. */
  get heldMiB(): number {
    return [...this.#tasks.values()].reduce((sum, { note }) => sum + note.memoryMiB, 0);
  }

  /** Keys of the Python environments of its tasks. */
  get environments(): ReadonlySet<string> {
    return new Set([...this.#tasks.values()].flatMap(({ note }) => note.environment?.lock ?? []));
  }

  /** Replaces the listener. Null: the link has ended, and with it what it prepared. */
  listen(listener: ((report: TaskReport) => void) | null): void {
    this.#listener = listener;
    if (listener !== null) return;
    for (const [id, { isStarted }] of this.#tasks) {
      if (!isStarted)
        this.discard(id).catch((error: unknown) => this.#deps.log.warn({ task: id, error: messageOf(error) }, 'a folder stays'));
    }
  }

  reports(): readonly TaskReport[] {
    return this.#views().map(([task, view]) => reportOf(task, view));
  }

  usage(): readonly TaskUsage[] {
    return this.#views()
      .filter(([, { state }]) => state === 'running')
      .map(([, { id, cpuMs, rssBytes, diskBytes }]) => ({ id, cpuMs, rssBytes, diskBytes }));
  }

  /** Makes an empty folder. Rejects with `unavailable` if its memory is not free here, or if its environment cannot be made. */
  async prepare(preparation: TaskPreparation): Promise<{ readonly paths: TaskPaths; readonly python: string | null }> {
    const { tasks, folder: parent, interpreterOf, memoryMiB, workersMiB } = this.#deps;
    const { id, environment, threads } = preparation;
    await this.#discarding.get(id)?.catch(() => undefined); // of an earlier link
    if (this.#tasks.get(id)?.isStarted === true) throw new PlatformError('wrong_state', `the task ${id} was started on this host`);
    this.#tasks.delete(id);
    if (this.#tasks.size >= tasksMax) throw new PlatformError('unavailable', `the host has ${tasksMax} tasks already`);
    const freeMiB = Math.max(0, memoryMiB - workersMiB() - this.heldMiB);
    if (preparation.memoryMiB > freeMiB)
      throw new PlatformError(
        'unavailable',
        `the host has ${freeMiB} MiB of ${memoryMiB} MiB free, but the task needs ${preparation.memoryMiB} MiB`,
      );
    const folder = join(parent, createHash('sha256').update(id).digest('hex').slice(0, 32));
    const note = { ...preparation, digest: '', readOnly: [] };
    const task: AgentTask = { folder, note, isStarted: false };
    this.#tasks.set(id, task);
    try {
      const python = environment === null ? null : await interpreterOf(environment);
      const { paths } = await tasks.prepare({ id, folder, name: id, threads, memoryMiB: preparation.memoryMiB, environment });
      if (this.#tasks.get(id) !== task) {
        await tasks.discard(task);
        throw new PlatformError('unavailable', 'the link to the home ended while the task was prepared');
      }
      task.note = { ...note, readOnly: python?.paths ?? [] };
      return { paths, python: python?.interpreter ?? null };
    } catch (error) {
      if (this.#tasks.get(id) === task) this.#tasks.delete(id);
      throw asDiskError(error, `prepare a task in ${folder}`);
    }
  }

  async makeFolders(id: string, paths: readonly string[]): Promise<void> {
    const { folder } = this.#unstarted(id);
    await this.#deps.tasks.makeFolders({ id, folder, host: null }, paths).catch((error: unknown) => {
      throw asDiskError(error, `make folders in ${folder}`);
    });
  }

  /** Writes a file with the content of an object, which is fetched from the home unless it is here. Rejects with `unavailable` if the disk is full. */
  async putObject(id: string, path: string, sha256: string): Promise<void> {
    const { folder } = this.#unstarted(id);
    const file = await this.#deps.fetch(sha256);
    this.#unstarted(id); // it may have taken minutes
    try {
      await this.#deps.tasks.put({ id, folder, host: null }, path, { kind: 'object', sha256, file: async () => file });
    } catch (error) {
      throw fullDisk(error, folder);
    }
  }

  /** Writes a piece of a file, in order: the first one creates it. */
  async write(id: string, path: string, start: number, bytes: Buffer): Promise<void> {
    const { folder } = this.#unstarted(id);
    if (bytes.length > taskPieceBytes) throw new PlatformError('too_large', `a piece of an input has more than ${taskPieceBytes} bytes`);
    const target = join(folder, 'ml', path);
    try {
      if (freeSpaceOf(folder).bytes - freeBytesMin < bytes.length) throw new PlatformError('too_large', 'the disk is full');
      await mkdir(dirname(target), { recursive: true });
      const file = await open(target, start === 0 ? 'w' : 'r+', 0o644);
      try {
        for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, start + at)).bytesWritten;
      } finally {
        await file.close();
      }
    } catch (error) {
      throw fullDisk(error, folder);
    }
  }

  /** Starting the same id with the same specification again changes nothing. */
  async start(id: string, digest: string, spec: SentTaskSpec): Promise<void> {
    const known = this.#tasks.get(id);
    if (known?.isStarted === true) {
      if (known.note.digest === digest) return;
      throw new PlatformError('wrong_state', `the task ${id} was started with another specification`);
    }
    const task = this.#unstarted(id);
    if (spec.memoryMiB > task.note.memoryMiB || spec.id !== id)
      throw new PlatformError('invalid_request', `the task ${id} was prepared for less memory, or as another task`);
    task.isStarted = true;
    task.note = { ...task.note, digest };
    const readOnly = task.note.readOnly.map((path) => ({ source: path, target: path }));
    try {
      writeFileAtomically(join(task.folder, noteName), JSON.stringify(task.note), { mode: 0o600 });
      await this.#deps.tasks.start({ ...spec, folder: task.folder, readOnly, lent: [] });
    } catch (error) {
      task.isStarted = false;
      throw asDiskError(error, `start a task in ${task.folder}`);
    }
  }

  /** Ignores unknown ids. */
  async stop(id: string, graceMs: number): Promise<void> {
    await this.#deps.tasks.stop(id, graceMs);
  }

  /** Ends it and removes its folder. Ignores unknown ids. */
  async discard(id: string): Promise<void> {
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    const running = this.#discarding.get(id);
    if (running !== undefined) return running;
    const discarding = this.#deps.tasks
      .discard(task)
      .then(() => void this.#tasks.delete(id))
      .finally(() => this.#discarding.delete(id));
    this.#discarding.set(id, discarding);
    await discarding;
  }

  /** A page of whole lines, as they are in its file. */
  output(id: string, from: number): Promise<Buffer> {
    this.#known(id);
    return this.#deps.tasks.outputBytes(id, from);
  }

  /** As JSON. Rejects with `too_large` if the paths are too long together. */
  async files(id: string, folder: string, most: number): Promise<Buffer> {
    const at = { id, folder: this.#known(id).folder, host: null };
    const listing = Buffer.from(JSON.stringify(await this.#deps.tasks.files(at, folder, most)));
    if (listing.length <= taskListingBytesMax) return listing;
    throw new PlatformError(
      'too_large',
      `the paths of the files in ${folder} have ${listing.length} bytes together: pack them into an archive`,
    );
  }

  /** Null if there is no such file. */
  async range(id: string, folder: string, path: string, start: number): Promise<TaskRange | null> {
    const file = await this.#deps.tasks.openFile({ id, folder: this.#known(id).folder, host: null }, folder, path);
    if (file === null) return null;
    try {
      return { size: file.bytes, identity: file.identity, bytes: await file.read(start, taskPieceBytes) };
    } finally {
      await file.close();
    }
  }

  #views(): readonly (readonly [AgentTask, TaskView])[] {
    return this.#deps.tasks.list().flatMap((view) => {
      const task = this.#tasks.get(view.id);
      return task?.isStarted === true ? [[task, view] as const] : [];
    });
  }

  #known(id: string): AgentTask {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new PlatformError('not_found', `this host has no task ${id}`);
    return task;
  }

  /** Once it runs, its own code could lead what is written elsewhere. */
  #unstarted(id: string): AgentTask {
    const task = this.#known(id);
    if (task.isStarted) throw new PlatformError('wrong_state', `the task ${id} was started: its inputs are final`);
    return task;
  }
}

function reportOf({ note: { digest, threads, memoryMiB } }: AgentTask, { id, state, pid, end }: TaskView): TaskReport {
  return { id, digest, state, pid, end, threads, memoryMiB };
}

/** Written by this agent or an earlier one; null if it is missing or not complete. */
/** Null: none was written, or it is damaged. Throws if there is one that cannot be read now. */
function readNote(folder: string): TaskNote | null {
  const path = join(folder, noteName);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
  const text = readFileSync(path, 'utf8');
  try {
    return JSON.parse(text) as TaskNote;
  } catch {
    return null;
  }
}

/** Another host may have room, so a full disk of this one is no fault of the job. */
function fullDisk(error: unknown, folder: string): Error {
  if (error instanceof PlatformError && error.code === 'too_large')
    return new PlatformError('unavailable', `the disk of the host has no room for the inputs of the task in ${folder}`);
  return asDiskError(error, `write an input in ${folder}`) as Error;
}

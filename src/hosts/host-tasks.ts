/**
 * The tasks of a host as the home sees them, over all its links. What the agent reports is all that is known of them: while the host is away,
 * the last report stands, because its tasks go on without a link.
 */
import { PlatformError } from '../errors.ts';
import {
  type OpenedTaskFile,
  type PreparedFolder,
  type TaskFileList,
  type TaskInput,
  type TaskOutput,
  type TaskRequest,
  type TaskSpec,
  type TaskView,
  taskOutputOf,
} from '../providers/index.ts';
import { malformedFrame, WorkerLost } from '../runtime/index.ts';
import type { HostLink } from './host-link.ts';
import type { HostTask } from './hosts-view.ts';
import { cutText, fieldsOf, numberOf } from './link/reports.ts';
import {
  readTaskListing,
  type SentTaskSpec,
  type TaskReport,
  type TaskUsage,
  taskListingBytesMax,
  taskPageBytesMax,
  taskPieceBytes,
  tasksMax,
} from './link/task-messages.ts';
import { canonicalDigest } from './remote-worker.ts';

/** What an agent lets a task print: its supervisor drops more than 1 GiB. Beyond it, the agent lies. */
const outputBytesMax = 1024 ** 3 + 2 * taskPageBytesMax;
/** Inputs that a host fetches at once. */
const lentMax = 64;

interface KnownTask {
  report: TaskReport;
  usage: TaskUsage | null;
}

export interface HostTasksDeps {
  /** The name of the host. */
  readonly host: string;
  readonly onChange: (view: TaskView) => void;
}

type TaskSize = Pick<TaskRequest, 'threads' | 'memoryMiB'>;

export class HostTasks {
  readonly #deps: HostTasksDeps;
  readonly #tasks = new Map<string, KnownTask>();
  /** Folders that this home prepared, until the task is reported or discarded. */
  readonly #prepared = new Map<string, TaskSize & { readonly lock: string | null }>();
  /** Objects that are being placed there, by SHA-256. */
  readonly #lent = new Map<string, { readonly file: () => Promise<string>; count: number }>();
  /** Rejects the calls under way, by task. */
  readonly #calls = new Map<string, Set<(error: Error) => void>>();
  /** Tasks that the host did not end in their time: nothing more is asked about them. Few: each took the time of a job. */
  readonly #givenUp = new Set<string>();
  readonly #discarding = new Map<string, Promise<void>>();
  #link: HostLink | null = null;
  #isReported = false;
  #isGone = false;

  constructor(deps: HostTasksDeps) {
    this.#deps = deps;
  }

  /** Whether the current link has reported all tasks. */
  get isReported(): boolean {
    return this.#isReported;
  }

  get views(): readonly TaskView[] {
    return [...this.#tasks.values()].map((task) => this.#viewOf(task));
  }

  /** Also those that are being prepared. */
  get list(): readonly HostTask[] {
    const taskOf = (id: string, state: HostTask['state'], { threads, memoryMiB }: TaskSize): HostTask => {
      return { id, state, cpuMilli: 1000 * threads, memoryMiB };
    };
    const prepared = [...this.#prepared].filter(([id]) => !this.#tasks.has(id));
    return [
      ...prepared.map(([id, size]) => taskOf(id, 'preparing', size)),
      ...[...this.#tasks].map(([id, { report }]) => taskOf(id, report.state, report)),
    ];
  }

  /** Tasks, and folders for tasks. */
  get count(): number {
    return this.list.length;
  }

  /** Of environments that tasks are being prepared with. */
  get locks(): ReadonlySet<string> {
    return new Set([...this.#prepared.values()].flatMap(({ lock }) => lock ?? []));
  }

  /** The path of an object that is being placed there; undefined for others. */
  lent(sha256: string): (() => Promise<string>) | undefined {
    return this.#lent.get(sha256)?.file;
  }

  /** Of tasks that it reports. Undefined: it has none of this id, as far as it has reported. */
  view(id: string): TaskView | undefined {
    const task = this.#tasks.get(id);
    return task === undefined ? undefined : this.#viewOf(task);
  }

  linked(link: HostLink): void {
    this.#link = link;
    this.#isReported = false;
    this.#isGone = false;
  }

  /** What it prepared without starting it is gone with the link. */
  unlinked(): void {
    this.#link = null;
    this.#isReported = false;
    this.#prepared.clear();
  }

  isGivenUp(id: string): boolean {
    return this.#givenUp.has(id);
  }

  /** The host does not end it in its time, so it is not waited for any more. */
  giveUp(id: string): void {
    this.#givenUp.add(id);
    for (const reject of this.#calls.get(id) ?? []) reject(this.#givenUpError());
    const task = this.#tasks.get(id);
    if (task !== undefined) this.#notifyLost(task);
  }

  /** It is away for too long: its tasks have ended by themselves. */
  gone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const tasks = [...this.#tasks.values()];
    this.#tasks.clear();
    for (const task of tasks) this.#notifyLost(task);
  }

  #notifyLost({ report }: KnownTask): void {
    this.#deps.onChange(this.#viewOf({ report: { ...report, state: 'lost', end: null }, usage: null }));
  }

  /** Throws if it reports too many. */
  reported(report: TaskReport): void {
    const known = this.#tasks.get(report.id);
    if (known === undefined && this.#tasks.size >= tasksMax) throw malformedFrame(`it reports more than ${tasksMax} tasks`);
    const isOver = known?.report.state === 'ended' && report.state !== 'ended';
    if (isOver) throw malformedFrame('a task that has ended runs again');
    const task = { report, usage: known?.usage ?? null };
    this.#tasks.set(report.id, task);
    this.#prepared.delete(report.id);
    this.#deps.onChange(this.#viewOf(task));
  }

  /** What is known and was not reported is gone: the agent has lost it. */
  reportedAll(ids: ReadonlySet<string>): void {
    this.#isReported = true;
    for (const [id, task] of this.#tasks) {
      if (ids.has(id)) continue;
      this.#tasks.delete(id);
      this.#notifyLost(task);
    }
  }

  measured(usage: readonly TaskUsage[]): void {
    for (const each of usage) {
      const task = this.#tasks.get(each.id);
      if (task !== undefined) task.usage = each;
    }
  }

  async prepare({ id, folder, threads, memoryMiB, environment }: TaskRequest): Promise<Omit<PreparedFolder, 'reason'>> {
    this.#prepared.set(id, { threads, memoryMiB, lock: environment?.lock ?? null });
    try {
      const answer = fieldsOf(await this.#command(id, { method: 'task-prepare', id, threads, memoryMiB, environment }));
      const { ml, temporary } = fieldsOf(answer['paths']);
      const python = answer['python'] === null ? null : cutText(answer['python']);
      const { host } = this.#deps;
      return { at: { id, folder, host }, paths: { ml: cutText(ml), temporary: cutText(temporary) }, python, machine: host };
    } catch (error) {
      this.#prepared.delete(id);
      throw error;
    }
  }

  async makeFolders(id: string, paths: readonly string[]): Promise<void> {
    await this.#command(id, { method: 'task-folders', id, paths });
  }

  /** An object is fetched by the host, unless it has it; anything else is sent piece by piece. */
  async put(id: string, path: string, input: TaskInput): Promise<void> {
    if (input.kind === 'object') return this.#putObject(id, path, input);
    let [start, waiting, waitingBytes]: [number, Uint8Array[], number] = [0, [], 0];
    const send = async (): Promise<void> => {
      const bytes = Buffer.concat(waiting);
      [waiting, waitingBytes] = [[], 0];
      await this.#over(id, (link) => link.taskPiece({ id, path, start }, bytes));
      start += bytes.length;
    };
    for await (const chunk of input.content) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + taskPieceBytes - waitingBytes);
        waiting.push(part);
        [at, waitingBytes] = [at + part.length, waitingBytes + part.length];
        if (waitingBytes === taskPieceBytes) await send();
      }
    }
    if (waitingBytes > 0 || start === 0) await send();
  }

  async #putObject(id: string, path: string, { sha256, file }: Extract<TaskInput, { kind: 'object' }>): Promise<void> {
    if (this.#lent.size >= lentMax) throw new PlatformError('unavailable', `host ${this.#deps.host} fetches ${lentMax} inputs already`);
    const lent = this.#lent.get(sha256) ?? { file, count: 0 };
    lent.count++;
    this.#lent.set(sha256, lent);
    try {
      await this.#command(id, { method: 'task-object', id, path, sha256 });
    } finally {
      if (--lent.count === 0) this.#lent.delete(sha256);
    }
  }

  async start(spec: TaskSpec): Promise<void> {
    const { id, command, environment, threads, memoryMiB, diskMiB, hasNetwork, isPreemptible, maxRuntimeMs, stopGraceMs } = spec;
    const sent: SentTaskSpec = {
      id,
      command,
      environment,
      threads,
      memoryMiB,
      diskMiB,
      hasNetwork,
      isPreemptible,
      maxRuntimeMs,
      stopGraceMs,
    };
    await this.#command(id, { method: 'task-start', id, digest: canonicalDigest(sent), spec: sent });
  }

  async stop(id: string, graceMs: number): Promise<void> {
    await this.#command(id, { method: 'task-stop', id, graceMs });
  }

  /** It is forgotten here even if the command does not arrive: on return, the command is sent again. */
  discard(id: string): Promise<void> {
    const discarding = this.#discarding.get(id) ?? this.#discard(id).finally(() => this.#discarding.delete(id));
    this.#discarding.set(id, discarding);
    return discarding;
  }

  async #discard(id: string): Promise<void> {
    const isThere = this.#tasks.has(id) || this.#prepared.has(id);
    this.#prepared.delete(id);
    if (isThere && this.#link !== null) await this.#send(id, (link) => link.command({ method: 'task-discard', id }));
    this.#tasks.delete(id);
  }

  async output(id: string, from: number): Promise<TaskOutput> {
    if (from > outputBytesMax) return { lines: [], nextOffset: from };
    const { bytes } = await this.#over(id, (link) => link.commandBytes({ method: 'task-output', id, from }, taskPageBytesMax));
    return taskOutputOf(bytes, from);
  }

  async files(id: string, folder: string, most: number): Promise<TaskFileList> {
    const { bytes } = await this.#over(id, (link) => link.commandBytes({ method: 'task-files', id, folder, most }, taskListingBytesMax));
    return readTaskListing(bytes, most);
  }

  /** Ranges of the file as it is when it is opened: if it changes, reading rejects with `unavailable`. */
  async openFile(id: string, folder: string, path: string): Promise<OpenedTaskFile | null> {
    const first = await this.#range(id, folder, path, 0);
    if (first === null) return null;
    const { size, identity } = first;
    let held: { readonly start: number; readonly bytes: Buffer } = { start: 0, bytes: first.bytes };
    return {
      bytes: size,
      identity,
      read: async (start, bytesMax) => {
        const isHeld = start >= held.start && start < held.start + held.bytes.length;
        if (!isHeld && start < size) {
          const range = await this.#range(id, folder, path, start);
          if (range?.identity !== identity)
            throw new PlatformError('unavailable', `the file ${path.slice(0, 200)} changed while it was read from host ${this.#deps.host}`);
          held = { start, bytes: range.bytes };
        }
        const from = start - held.start;
        return start >= size ? Buffer.alloc(0) : held.bytes.subarray(from, Math.min(from + bytesMax, from + size - start));
      },
      close: async () => undefined,
    };
  }

  async #range(id: string, folder: string, path: string, start: number) {
    const { message, bytes } = await this.#over(id, (link) =>
      link.commandBytes({ method: 'task-read', id, folder, path, start }, taskPieceBytes),
    );
    const { isMissing, size, identity } = fieldsOf(message);
    return isMissing === true ? null : { size: numberOf(size), identity: cutText(identity, 200), bytes };
  }

  #command(id: string, message: object): Promise<unknown> {
    return this.#over(id, (link) => link.command(message));
  }

  /** As `#send`, and rejects with `not_found` if the task is given up. */
  async #over<T>(id: string, send: (link: HostLink) => Promise<T>): Promise<T> {
    if (this.#givenUp.has(id)) throw this.#givenUpError();
    return this.#send(id, send);
  }

  /** Rejects with `unavailable` without a link, and if it ends; with `not_found` if the task is given up meanwhile. */
  async #send<T>(id: string, send: (link: HostLink) => Promise<T>): Promise<T> {
    const { host } = this.#deps;
    if (this.#link === null) throw new PlatformError('unavailable', `host ${host} is away`);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const calls = this.#calls.get(id) ?? new Set();
    this.#calls.set(id, calls.add(reject));
    send(this.#link).then(resolve, reject);
    try {
      return await promise;
    } catch (error) {
      if (error instanceof WorkerLost) throw new PlatformError('unavailable', `the link to host ${host} was lost`, { cause: error });
      throw error;
    } finally {
      calls.delete(reject);
      if (calls.size === 0) this.#calls.delete(id);
    }
  }

  #givenUpError(): PlatformError {
    return new PlatformError('not_found', `host ${this.#deps.host} did not end the task in its time, so it is given up with its files`);
  }

  #viewOf({ report: { id, state, pid, end }, usage }: KnownTask): TaskView {
    const { cpuMs = 0, rssBytes = 0, diskBytes = 0 } = usage ?? {};
    return { id, folder: '', host: this.#deps.host, state, pid, cpuMs: end?.cpuMs ?? cpuMs, rssBytes, diskBytes, end };
  }
}

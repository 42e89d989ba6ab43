/** Tasks in the messages of a host's link: what agents report of them, and what homes send. Both are checked where they arrive. Pure. */
import { PlatformError } from '../../errors.ts';
import type { TaskEnd, TaskFileList, TaskSpec, TaskState } from '../../providers/index.ts';
import { malformedFrame } from '../../runtime/index.ts';
import { cutText, fieldsOf, keyOf, listOf, numberOf } from './reports.ts';

/** What a home sends of a specification: the agent has its own folders. */
export type SentTaskSpec = Omit<TaskSpec, 'folder' | 'readOnly' | 'lent'>;

/** The state of one task of a host. */
export interface TaskReport {
  /** As the home named it: a job, its attempt and its creation. */
  readonly id: string;
  /** Of the specification that it was started with. */
  readonly digest: string;
  readonly state: TaskState;
  readonly pid: number | null;
  readonly end: TaskEnd | null;
  /** What it occupies. */
  readonly threads: number;
  readonly memoryMiB: number;
}

/** What a task uses. */
export interface TaskUsage {
  readonly id: string;
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly diskBytes: number;
}

/** Tasks of one host. */
export const tasksMax = 1000;
/** Bytes in one message: of an input to the agent, of a file or of output to the home. A page of output can be as large. */
export const taskPieceBytes = 512 * 1024;
export const taskPageBytesMax = 2 * 1024 ** 2;
/** The listing of a folder, as JSON. */
export const taskListingBytesMax = 8 * 1024 ** 2;

const states: readonly unknown[] = ['starting', 'running', 'ended', 'lost'];
const causes: readonly unknown[] = ['exit', 'memory', 'disk', 'time', 'stopped', 'shutdown', 'abandoned', 'unstarted'];
const filesMax = 100_000;
const notesMax = 20;
const pathLengthMax = 4096;

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null || value === undefined ? null : read(value);
}

/** Throws if it is malformed. */
export function readTaskReport(message: unknown): TaskReport {
  const { id, digest, state, pid, end, threads, memoryMiB } = fieldsOf(message);
  if (!states.includes(state)) throw malformedFrame('the state of a task is unknown');
  return {
    id: keyOf(id),
    digest: cutText(digest, 64),
    state: state as TaskState,
    pid: orNull(pid, (value) => numberOf(value, 2 ** 31)),
    end: state === 'ended' ? readEnd(end) : null,
    threads: numberOf(threads, 1e6),
    memoryMiB: numberOf(memoryMiB, 1e9),
  };
}

function readEnd(value: unknown): TaskEnd {
  const { code, signal, why, detail, peakRssBytes, cpuMs, startedAtMs, atMs } = fieldsOf(value);
  if (!causes.includes(why)) throw malformedFrame('a task ended for an unknown reason');
  return {
    code: orNull(code, (each) => numberOf(each, 2 ** 31)),
    signal: orNull(signal, (each) => cutText(each, 16)),
    why: why as TaskEnd['why'],
    detail: orNull(detail, (each) => cutText(each, 1000)),
    peakRssBytes: numberOf(peakRssBytes),
    cpuMs: numberOf(cpuMs),
    startedAtMs: numberOf(startedAtMs),
    atMs: numberOf(atMs),
  };
}

/** The ids of all tasks of a host. Throws if it is malformed. */
export function readTaskIds(message: unknown): ReadonlySet<string> {
  return new Set(listOf(fieldsOf(message)['ids'], tasksMax).map(keyOf));
}

/** Absent: an agent without tasks. Throws if it is malformed. */
export function readTaskUsage(message: unknown): readonly TaskUsage[] {
  return listOf(fieldsOf(message)['tasks'] ?? [], tasksMax).map((each) => {
    const { id, cpuMs, rssBytes, diskBytes } = fieldsOf(each);
    return { id: keyOf(id), cpuMs: numberOf(cpuMs), rssBytes: numberOf(rssBytes), diskBytes: numberOf(diskBytes) };
  });
}

/** The listing of a folder. Paths are those of objects, too, so none leads out of a folder. Throws if it is malformed. */
export function readTaskListing(bytes: Buffer, most: number): TaskFileList {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    throw malformedFrame('the listing of a folder is not JSON');
  }
  const { files, notes, isTooMany } = fieldsOf(value);
  const read = listOf(files, Math.min(most, filesMax)).map((each) => {
    const { path, bytes: size, modifiedAtMs, isExecutable } = fieldsOf(each);
    if (!isTaskPath(path)) throw malformedFrame('the path of a file is not below its folder');
    return { path, bytes: numberOf(size), modifiedAtMs: numberOf(modifiedAtMs), isExecutable: isExecutable === true };
  });
  return { files: read, notes: listOf(notes, notesMax).map((note) => cutText(note, 1000)), isTooMany: isTooMany === true };
}

/** Whether it is a path below a folder: no part is empty, `.` or `..`. */
export function isTaskPath(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > pathLengthMax || value.includes('\0')) return false;
  return value.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Of a command. Throws `invalid_request`. */
export function taskPathOf(value: unknown): string {
  if (isTaskPath(value)) return value;
  throw new PlatformError('invalid_request', 'a path of a task is not below its folder');
}

/** The home is trusted, its version may differ: what is missing is an error. Throws `invalid_request`. */
export function readTaskSpec(value: unknown): SentTaskSpec {
  const spec = fieldsOf(value);
  const wrong = problemOf(spec);
  if (wrong !== null) throw new PlatformError('invalid_request', `the specification of a task is not valid: ${wrong}`);
  const { id, command, environment, threads, memoryMiB, diskMiB, hasNetwork, isPreemptible, maxRuntimeMs, stopGraceMs } =
    spec as unknown as SentTaskSpec;
  return { id, command, environment, threads, memoryMiB, diskMiB, hasNetwork, isPreemptible, maxRuntimeMs, stopGraceMs };
}

function problemOf(spec: Readonly<Record<string, unknown>>): string | null {
  const { id, command, environment, maxRuntimeMs } = spec;
  const isText = (each: unknown): boolean => typeof each === 'string';
  const isCount = (each: unknown): boolean => typeof each === 'number' && Number.isFinite(each) && each >= 0;
  if (!isText(id)) return 'id is not a text';
  if (!Array.isArray(command) || command.length === 0 || !command.every(isText)) return 'command is not a list of texts';
  if (typeof environment !== 'object' || environment === null || !Object.values(environment).every(isText))
    return 'environment has a variable that is not a text';
  for (const name of ['threads', 'memoryMiB', 'diskMiB', 'stopGraceMs']) if (!isCount(spec[name])) return `${name} is not a number`;
  for (const name of ['hasNetwork', 'isPreemptible']) if (typeof spec[name] !== 'boolean') return `${name} is not true or false`;
  return maxRuntimeMs === null || isCount(maxRuntimeMs) ? null : 'maxRuntimeMs is not a number';
}

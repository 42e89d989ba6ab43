/** What an agent reports about its workers. The agent runs on another machine, so reports are checked like any input from outside. Pure. */

import type { WorkerState } from '../../providers/index.ts';
import type { WorkerExit } from '../../records/index.ts';
import { type MissingModel, malformedFrame } from '../../runtime/index.ts';
import { datatypes, type Signature, type TensorSpec } from '../../tensor.ts';

/** The state of one worker of a host. */
export interface WorkerReport {
  /** Unique on its host, given by the home that started it. */
  readonly key: string;
  /** Of its specification without its id: workers with equal digests are interchangeable. */
  readonly digest: string;
  readonly state: WorkerState;
  /** Of its link, for runs; 0 unless it is ready. A restarted worker has another one. */
  readonly link: number;
  /** Of the host. */
  readonly pid: number | null;
  readonly restarts: number;
  readonly reason: string | null;
  /** Time since its start, and since it is ready. Only durations cross the link. */
  readonly ageMs: number;
  readonly readyMs: number | null;
  /** Null for a process, and unless it is ready. */
  readonly signature: Signature | null;
  readonly missing: readonly MissingModel[];
}

/** Memory and processor time of a worker. */
export interface WorkerUsage {
  readonly key: string;
  readonly rssBytes: number | null;
  readonly cpuMs: number | null;
}

/** The fields of a `WorkerExit` that only the host knows. */
export type HostExit = Pick<WorkerExit, 'reason' | 'exitCode' | 'signal' | 'lastLines' | 'restartMs'>;

/** More workers do not fit on a machine. */
export const workersMax = 10_000;
const keyLengthMax = 512;
const textMax = 4096;
const tensorsMax = 4096;
const rankMax = 32;
const columnsMax = 20_000;
/** A hundred years. */
const msMax = 100 * 366 * 86_400_000;
const states: readonly unknown[] = ['starting', 'ready', 'failed'];

type Fields = Readonly<Record<string, unknown>>;

/** The members of a message. Throws if it is no object. */
export function fieldsOf(message: unknown): Fields {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) throw malformedFrame('its message is not an object');
  return message as Fields;
}

/** Throws if it is not a text of a bounded length. */
export function keyOf(value: unknown): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > keyLengthMax) throw malformedFrame('a worker has no key');
  return value;
}

/** Longer texts are cut. Throws if it is not a text. */
export function cutText(value: unknown, lengthMax = textMax): string {
  if (typeof value !== 'string') throw malformedFrame('a text is missing');
  return value.slice(0, lengthMax);
}

/** Throws if it is not a number from 0 to `max`. */
export function numberOf(value: unknown, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= max)) throw malformedFrame(`a number is not between 0 and ${max}`);
  return value;
}

/** Throws if it is longer or not a list. */
export function listOf(value: unknown, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw malformedFrame(`a list is missing or has more than ${lengthMax} entries`);
  return value;
}

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null || value === undefined ? null : read(value);
}

/** Throws if the report is malformed. */
export function readReport(message: unknown): WorkerReport {
  const { key, digest, state, link, pid, restarts, reason, ageMs, readyMs, signature, missing } = fieldsOf(message);
  if (!states.includes(state)) throw malformedFrame('the state of a worker is unknown');
  return {
    key: keyOf(key),
    digest: cutText(digest, 64),
    state: state as WorkerReport['state'],
    link: numberOf(link, 2 ** 32 - 1),
    pid: orNull(pid, (value) => numberOf(value, 2 ** 31)),
    restarts: numberOf(restarts),
    reason: orNull(reason, (value) => cutText(value)),
    ageMs: numberOf(ageMs, msMax),
    readyMs: orNull(readyMs, (value) => numberOf(value, msMax)),
    signature: orNull(signature, readSignature),
    missing: listOf(missing, 255).map((each) => {
      const fields = fieldsOf(each);
      return { model: numberOf(fields['model'], 255), reason: cutText(fields['reason'], 1000) };
    }),
  };
}

function readSignature(value: unknown): Signature {
  const { inputs, outputs } = fieldsOf(value);
  return { inputs: listOf(inputs, tensorsMax).map(readSpec), outputs: listOf(outputs, tensorsMax).map(readSpec) };
}

function readSpec(value: unknown): TensorSpec {
  const { name, datatype, shape, content, columns } = fieldsOf(value);
  if (typeof datatype !== 'string' || !Object.hasOwn(datatypes, datatype)) throw malformedFrame('a tensor has an unknown datatype');
  const dimension = (size: unknown): number => (size === -1 ? -1 : numberOf(size, 2 ** 32 - 1));
  return {
    name: cutText(name, 1000),
    datatype: datatype as TensorSpec['datatype'],
    shape: listOf(shape, rankMax).map(dimension),
    ...(content === 'json' ? { content } : {}),
    ...(columns === undefined ? {} : { columns: listOf(columns, columnsMax).map((column) => cutText(column, 1000)) }),
  };
}

/** The keys of all workers of a host. */
export function readKeys(message: unknown): ReadonlySet<string> {
  return new Set(listOf(fieldsOf(message)['keys'], workersMax).map(keyOf));
}

/** Throws if it is malformed. */
export function readUsage(message: unknown): readonly WorkerUsage[] {
  return listOf(fieldsOf(message)['workers'], workersMax).map((each) => {
    const { key, rssBytes, cpuMs } = fieldsOf(each);
    return { key: keyOf(key), rssBytes: orNull(rssBytes, numberOf), cpuMs: orNull(cpuMs, numberOf) };
  });
}

/** Started workers without a model, in the same message. Absent: an agent that is too old to report them. Throws if it is malformed. */
export function readWarmWorkers(message: unknown): number {
  return numberOf(fieldsOf(message)['warm'] ?? 0, workersMax);
}

/** The key of the worker, and how it ended: null if that was requested. Throws if it is malformed. */
export function readExit(message: unknown): { readonly key: string; readonly exit: HostExit | null } {
  const { key, exit } = fieldsOf(message);
  if (exit === null) return { key: keyOf(key), exit };
  const { reason, exitCode, signal, lastLines, restartMs } = fieldsOf(exit);
  return {
    key: keyOf(key),
    exit: {
      reason: cutText(reason),
      exitCode: orNull(exitCode, numberOf),
      signal: orNull(signal, (value) => cutText(value, 16)),
      lastLines: cutText(lastLines),
      restartMs: orNull(restartMs, (value) => numberOf(value, msMax)),
    },
  };
}

/** A line that a worker printed, and how long ago. Throws if it is malformed. */
export function readLine(message: unknown): {
  readonly key: string;
  readonly line: string;
  readonly requestIds: readonly string[];
  readonly ageMs: number;
} {
  const { key, line, requestIds, ageMs = 0 } = fieldsOf(message);
  const ids = listOf(requestIds, 4096).map((id) => cutText(id, 256));
  return { key: keyOf(key), line: cutText(line, 64 * 1024), requestIds: ids, ageMs: numberOf(ageMs, msMax) };
}

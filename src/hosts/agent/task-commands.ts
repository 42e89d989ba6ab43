/** What a home commands about tasks, as frames: read and checked here, done by `AgentTasks`. */
import { PlatformError } from '../../errors.ts';
import { type Frame, malformedFrame, payloadFrame, readFrameBody } from '../../runtime/index.ts';
import { hostKinds, jsonFrame } from '../link/host-frames.ts';
import { cutText, fieldsOf, keyOf, listOf, numberOf } from '../link/reports.ts';
import { readTaskSpec, taskPathOf } from '../link/task-messages.ts';
import type { AgentTasks } from './agent-tasks.ts';

type Fields = Readonly<Record<string, unknown>>;

const foldersMax = 10_000;
const filesMax = 100_000;
const msMax = 30 * 86_400_000;

/** The answer to a command, for the call; null if it is no command about tasks. Rejects with the error of the command. */
export function obeyTaskCommand(tasks: AgentTasks, call: number, fields: Fields): Promise<Buffer[]> | null {
  const { method } = fields;
  if (typeof method !== 'string' || !Object.hasOwn(commands, method)) return null;
  return commands[method as keyof typeof commands](tasks, fields, call);
}

/** Writes a piece of an input. */
export async function takeTaskPiece(tasks: AgentTasks, frame: Frame): Promise<Buffer[]> {
  const { id, path, start } = fieldsOf(frame.message);
  await tasks.write(keyOf(id), taskPathOf(path), numberOf(start), readFrameBody(frame));
  return jsonFrame(frame.call, hostKinds.done, {});
}

const done = (call: number, result: object = {}): Buffer[] => jsonFrame(call, hostKinds.done, result);

const commands = {
  'task-prepare': async (tasks: AgentTasks, fields: Fields, call: number) => {
    const { id, threads, memoryMiB, environment } = fields;
    const preparation = {
      id: keyOf(id),
      threads: numberOf(threads),
      memoryMiB: numberOf(memoryMiB),
      environment: environmentOf(environment),
    };
    return done(call, await tasks.prepare(preparation));
  },
  'task-folders': async (tasks: AgentTasks, { id, paths }: Fields, call: number) => {
    await tasks.makeFolders(keyOf(id), listOf(paths, foldersMax).map(taskPathOf));
    return done(call);
  },
  'task-object': async (tasks: AgentTasks, { id, path, sha256 }: Fields, call: number) => {
    await tasks.putObject(keyOf(id), taskPathOf(path), addressOf(sha256));
    return done(call);
  },
  'task-start': async (tasks: AgentTasks, { id, digest, spec }: Fields, call: number) => {
    await tasks.start(keyOf(id), cutText(digest, 64), readTaskSpec(spec));
    return done(call);
  },
  'task-stop': async (tasks: AgentTasks, { id, graceMs }: Fields, call: number) => {
    await tasks.stop(keyOf(id), numberOf(graceMs, msMax));
    return done(call);
  },
  'task-discard': async (tasks: AgentTasks, { id }: Fields, call: number) => {
    await tasks.discard(keyOf(id));
    return done(call);
  },
  'task-output': async (tasks: AgentTasks, { id, from }: Fields, call: number) =>
    payloadFrame(call, hostKinds.bytes, {}, await tasks.output(keyOf(id), numberOf(from))),
  'task-files': async (tasks: AgentTasks, { id, folder, most }: Fields, call: number) =>
    payloadFrame(call, hostKinds.bytes, {}, await tasks.files(keyOf(id), taskPathOf(folder), numberOf(most, filesMax))),
  'task-read': async (tasks: AgentTasks, { id, folder, path, start }: Fields, call: number) => {
    const range = await tasks.range(keyOf(id), taskPathOf(folder), taskPathOf(path), numberOf(start));
    if (range === null) return payloadFrame(call, hostKinds.bytes, { isMissing: true }, Buffer.alloc(0));
    const { size, identity, bytes } = range;
    return payloadFrame(call, hostKinds.bytes, { size, identity }, bytes);
  },
} as const;

function addressOf(sha256: unknown): string {
  if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)) return sha256;
  throw new PlatformError('invalid_request', 'an input of a task has no SHA-256');
}

function environmentOf(value: unknown) {
  if (value === null) return null;
  const { name, lock } = fieldsOf(value);
  const isName = name === null || (typeof name === 'string' && name.length <= 4096);
  if (!isName) throw malformedFrame('an environment has no name');
  return { name, lock: lock === null ? null : addressOf(lock) };
}

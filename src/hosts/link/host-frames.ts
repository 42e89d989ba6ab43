/**
 * Frames of the link between the agent of a host and the home, in the format of those to workers (runtime/link/frames.ts). Calls of
 * the home and of the agent are numbered separately. Pure.
 */
import {
  type Frame,
  headBytes,
  isSinglePlan,
  kinds,
  malformedFrame,
  messageFrame,
  padded,
  type RunResult,
  ranFrame,
  setTimings,
  stageTensors,
  type TensorParts,
  tensorFrame,
  tensorsAt,
  type WorkerPlans,
  writeHead,
} from '../../runtime/index.ts';
import type { Signature } from '../../tensor.ts';

/** Distinct from the kinds of frames to workers and to gateway processes, so that a mistaken one is noticed. */
export const hostKinds = {
  /**
   * Both ways: nothing else was sent for a while. The home numbers some as calls; the agent echoes those with `echoBit` added and the
   * time of its clock, as JSON.
   */
  beat: 40,
  /** Both ways, a part of a frame that is too large to be sent at once: `u32 bytes of the whole frame | u32 bytes | bytes`. */
  part: 41,
  /** To the agent: the epoch of the home, as JSON. The first frame. */
  welcome: 42,
  /** To the agent, as JSON: why the home ends the link for good. */
  farewell: 43,
  /** To the agent: starts, stops or restarts a worker, or reads its status; JSON. */
  command: 44,
  /** To the home: the result of a command, as JSON. */
  done: 45,
  /** To the home: a call has failed; JSON. */
  refused: 46,
  /** To the home: the worker of a call is gone; JSON. */
  gone: 47,
  /** To the agent: `u32 link | u32 bytes of ids | ids, one per line | tensors`. The answer has the kind of a worker's. */
  run: 48,
  /** To the agent: a request to a process model; JSON and bytes. */
  invoke: 49,
  /** To the home: the reply of a process model; JSON and bytes. */
  replied: 50,
  /** To the home: a piece of a streamed reply; JSON and bytes. */
  piece: 51,
  /** To the agent: pieces were accepted; JSON. */
  taken: 52,
  /** To the agent: a piece of the files that are the body of an invocation; JSON and bytes. */
  bodyPiece: 53,
  /** To the home: pieces of a body were written; JSON. */
  bodyTaken: 54,
  /** To the home: the state of one worker; JSON. */
  report: 55,
  /** To the home: the workers of this host, by their keys; JSON. Sent when each has been reported. */
  workers: 56,
  /** To the home: a line that a worker printed; JSON. */
  line: 57,
  /** To the home: the process of a worker has ended; JSON. */
  exit: 58,
  /** To the home: memory and processor time of workers; JSON. */
  usage: 59,
  /** To the home: this host stops soon; JSON. */
  leaving: 60,
  /** To the home: reads a range of an object; JSON. */
  fetch: 61,
  /** To the agent: the range; JSON and bytes. */
  fetched: 62,
  /** To the agent: an object cannot be read; JSON. */
  notFetched: 63,
  /** To the home: asks for the archive of a Python environment; JSON. Answered by the next kind, or by `notFetched`. */
  environment: 70,
  /** To the agent: the archive, as an object, and what it was made with; JSON. */
  archive: 71,
  /** To the home: requests the hosts that have an object, or the digests of its ranges; JSON. Answered by the next kind, or by `notFetched`. */
  objectQuery: 72,
  /** To the agent: the answer to a query; JSON. */
  objectAnswer: 73,
  /** To the home: the objects that this host can send to others; JSON. */
  copies: 74,
  /** To the home: another host has sent wrong bytes; JSON. */
  wrongBytes: 75,
  /** To the home: the state of one task; JSON. Only to a home that takes them, as its welcome says. */
  taskReport: 76,
  /** To the home: the tasks of this host, by their ids; JSON. Sent when each has been reported. */
  tasks: 77,
  /** To the agent: a piece of an input of a task; JSON and bytes. */
  taskPiece: 78,
  /** To the home: output, a listing, or a range of a file of a task; JSON and bytes. */
  bytes: 79,
} as const;

/** Fixed bytes before the ids of a run. */
const runBytes = 8;
/** Fixed bytes before those of a part. */
export const partBytes = 8;
/** The same with the head of its frame. */
export const partHeadBytes = headBytes + partBytes;

/** A frame without text and body. `beat`: its number; 0 if no echo is expected. */
export function beatFrame(beat = 0): Buffer {
  const frame = Buffer.alloc(headBytes);
  writeHead(frame, { bytes: headBytes, call: beat, kind: hostKinds.beat, tensors: 0, textBytes: 0 });
  return frame;
}

/** The head of a part with `bytes` bytes of a frame of `frameBytes` bytes. `bytes` is a multiple of 8. */
export function partHead(call: number, frameBytes: number, bytes: number): Buffer {
  const head = Buffer.alloc(partHeadBytes);
  writeHead(head, { bytes: head.length + bytes, call, kind: hostKinds.part, tensors: 0, textBytes: 0 });
  head.writeUInt32LE(frameBytes, headBytes);
  head.writeUInt32LE(bytes, headBytes + 4);
  return head;
}

/** `link`: the number of the worker's link on its host. Throws `invalid_request` for an input that the model does not have, and `too_large`. */
export function relayedRunFrame(
  call: number,
  link: number,
  {
    inputs,
    plan,
    ids,
  }: { readonly inputs: readonly Parameters<typeof tensorFrame>[2][number][]; readonly plan: number; readonly ids: string },
): Buffer[] {
  const idBytes = Buffer.byteLength(ids);
  const frame = tensorFrame({ call, kind: hostKinds.run, plan }, runBytes + padded(idBytes), inputs);
  const first = frame[0] as Buffer;
  first.writeUInt32LE(link, headBytes);
  first.writeUInt32LE(idBytes, headBytes + 4);
  first.fill(0, headBytes + runBytes, headBytes + runBytes + padded(idBytes));
  first.write(ids, headBytes + runBytes);
  return frame;
}

/** The number of the link that a run is for. */
export function relayedLink({ bytes, bodyOffset: at }: Frame): number {
  if (at + runBytes > bytes.length) throw malformedFrame('a run is truncated');
  return bytes.readUInt32LE(at);
}

/** The inputs of a run are views of its frame. Throws if they do not fit the signature of the model. */
export function readRelayedRun(
  frame: Frame,
  { inputs: specs }: Signature,
): { readonly inputs: readonly TensorParts[]; readonly ids: readonly string[] } {
  const { bytes, bodyOffset: at } = frame;
  const idBytes = bytes.readUInt32LE(at + 4);
  const idsAt = at + runBytes;
  if (idsAt + idBytes > bytes.length) throw malformedFrame('the ids of a run are truncated');
  const tensors = tensorsAt(frame, idsAt + padded(idBytes), specs);
  return {
    inputs: tensors.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, parts: [data] })),
    ids: idBytes === 0 ? [] : bytes.toString('utf8', idsAt, idsAt + idBytes).split('\n'),
  };
}

/** The result of a run, as the worker itself would send it. `plans`: those that it has loaded. */
export function relayedResultFrame(call: number, { outputs, timings, rows }: RunResult, plans: WorkerPlans | undefined): Buffer[] {
  const tensors = outputs.map(({ datatype, shape, data }, index) => ({ index, datatype, shape, parts: [data] }));
  const stages = rows === undefined || plans === undefined || isSinglePlan(plans) ? [] : stageTensors(rows);
  const frame = ranFrame(call, [...tensors, ...stages]);
  setTimings(frame, timings);
  return frame;
}

/** Throws if the frame is not the result of a run. */
export function checkIsResult({ kind }: Frame): void {
  if (kind !== kinds.ran) throw malformedFrame('the answer to a run has another kind');
}

/** A frame with a message and nothing else. */
export function jsonFrame(call: number, kind: number, message: unknown): Buffer[] {
  return [messageFrame(call, kind, message)];
}

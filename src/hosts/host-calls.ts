/** The home's open calls to the workers of a host: numbered, each settled once. */
import { createReadStream } from 'node:fs';
import { defined } from '../defined.ts';
import { PlatformError } from '../errors.ts';
import {
  CallTable,
  errorOf,
  type Frame,
  type IndexedTensor,
  type InvokeResult,
  malformedFrame,
  type Payload,
  type PieceMessage,
  payloadFrame,
  ReplyPieces,
  type ReplySink,
  type ResultReader,
  type RunResult,
  readFrameBody,
  Window,
  type WireFailure,
  WorkerLost,
} from '../runtime/index.ts';
import type { Signature } from '../tensor.ts';
import type { HostChannel } from './link/host-channel.ts';
import { checkIsResult, hostKinds, jsonFrame, relayedRunFrame } from './link/host-frames.ts';
import { cutText, fieldsOf } from './link/reports.ts';

/** Calls of the agent have larger numbers. */
const numberMax = 2 ** 31;
/** Calls that are open at once. Executors run few batches each. */
const callsMax = 100_000;
const fileChunkBytes = 64 * 1024;

interface OpenHostCall {
  readonly answered: (frame: Frame) => void;
  readonly failed: (error: Error) => void;
  readonly piece?: (frame: Frame) => void;
  /** Accounts for pieces of a body that the agent has written. */
  readonly bodyTaken?: (message: unknown) => void;
}

/** One per connection of a host. */
export class HostCalls {
  readonly #channel: Pick<HostChannel, 'send' | 'isSending'>;
  readonly #open = new CallTable<OpenHostCall>();
  #lastCall = 0;
  #endedBecause: string | null = null;

  constructor(channel: Pick<HostChannel, 'send' | 'isSending'>) {
    this.#channel = channel;
  }

  /** Runs a batch. `signature`: of the model; `read`: for its results. Rejects as `ServingLink.run`. */
  run(
    link: number,
    { inputs, plan, ids }: { readonly inputs: readonly IndexedTensor[]; readonly plan: number; readonly ids: readonly string[] },
    { outputs }: Signature,
    read: ResultReader,
  ): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      const call = this.#next();
      const frame = relayedRunFrame(call, link, { inputs, plan, ids: ids.join('\n') });
      const answered = (answer: Frame): void => {
        checkIsResult(answer);
        resolve(read(answer, outputs));
      };
      this.#send(call, frame, { answered, failed: reject });
    });
  }

  /** Rejects as `ServingLink.invoke`. */
  invoke(
    link: number,
    payload: Payload,
    { replyBytesMax, sink, ids }: { readonly replyBytesMax: number; readonly sink: ReplySink | null; readonly ids: readonly string[] },
  ): Promise<InvokeResult> {
    return new Promise((resolve, reject) => {
      const call = this.#next();
      const { headers, body, files, deadlineMs } = payload;
      const message = { link, headers, replyBytesMax, streams: sink !== null, ids, ...defined({ deadlineMs, fileBytes: files?.bytes }) };
      const pieces = new ReplyPieces(sink, (answer) => this.#channel.send(call, jsonFrame(call, hostKinds.taken, answer)));
      const window = new Window((_, bytes) => this.#channel.send(call, payloadFrame(call, hostKinds.bodyPiece, {}, bytes)));
      const settle = (done: () => void): void => {
        window.consumed({ stop: true });
        done();
      };
      this.#send(call, payloadFrame(call, hostKinds.invoke, message, body), {
        piece: (piece) => pieces.consume(fieldsOf(piece.message) as unknown as PieceMessage, readFrameBody(piece)),
        bodyTaken: (taken) => window.consumed({ bytes: Number(fieldsOf(taken)['bytes']) || 0 }),
        ...pieces.settling(hostKinds.replied, {
          resolve: (result) => settle(() => resolve(result)),
          reject: (error) => settle(() => reject(error)),
        }),
      });
      if (files === undefined) return;
      sendFiles(files.paths, window).catch((error: unknown) => {
        const open = this.#open.get(call);
        this.#channel.send(call, payloadFrame(call, hostKinds.bodyPiece, { isAborted: true }, Buffer.alloc(0)));
        open?.failed(new PlatformError('unavailable', `the body of the request cannot be read: ${String(error)}`, { cause: error }));
        const ignore = (): void => undefined;
        this.#open.set(call, { answered: ignore, failed: ignore, piece: ignore, bodyTaken: ignore }); // until the agent answers it
      });
    });
  }

  /** Resolves to the result. Rejects with the error of the agent, and with `WorkerLost` if the link ends. */
  command(message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#next();
      const answered = (answer: Frame): void => {
        if (answer.kind !== hostKinds.done) throw malformedFrame('the answer to a command has another kind');
        resolve(answer.message);
      };
      this.#send(call, jsonFrame(call, hostKinds.command, message), { answered, failed: reject });
    });
  }

  /** As `command`, but the answer has bytes, at most `bytesMax`. A larger one ends the link. */
  commandBytes(message: object, bytesMax: number): Promise<{ readonly message: unknown; readonly bytes: Buffer }> {
    return new Promise((resolve, reject) => {
      const call = this.#next();
      const answered = (answer: Frame): void => {
        if (answer.kind !== hostKinds.bytes) throw malformedFrame('the answer to a command has another kind');
        const bytes = readFrameBody(answer);
        if (bytes.length > bytesMax) throw malformedFrame(`an answer has ${bytes.length} bytes, expected at most ${bytesMax}`);
        resolve({ message: answer.message, bytes });
      };
      this.#send(call, jsonFrame(call, hostKinds.command, message), { answered, failed: reject });
    });
  }

  /** Sends a piece of an input of a task. Resolves when it is written. Rejects as `command`. */
  taskPiece(message: object, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = this.#next();
      const answered = (answer: Frame): void => {
        if (answer.kind !== hostKinds.done) throw malformedFrame('the answer to a piece has another kind');
        resolve();
      };
      this.#send(call, payloadFrame(call, hostKinds.taskPiece, { ...message }, bytes), { answered, failed: reject });
    });
  }

  /** Takes a frame that belongs to a call. Throws if it is malformed. */
  take(frame: Frame): void {
    const { call, kind, message } = frame;
    const open = this.#open.get(call);
    if (open === undefined) throw malformedFrame(`it answers call ${call}, which is not open`);
    if (kind === hostKinds.piece) {
      if (open.piece === undefined) throw malformedFrame('an answer in pieces that does not come from a process');
      return open.piece(frame);
    }
    if (kind === hostKinds.bodyTaken) {
      if (open.bodyTaken === undefined) throw malformedFrame('it accepts a body that was not sent');
      return open.bodyTaken(message);
    }
    // The caller reclaims the memory being sent with the answer.
    if (this.#channel.isSending(call) && open.bodyTaken === undefined)
      throw malformedFrame(`it answers call ${call} before it can have read it`);
    if (kind === hostKinds.refused || kind === hostKinds.gone) {
      const error = kind === hostKinds.gone ? new WorkerLost(cutText(fieldsOf(message)['why'], 1000)) : errorOf(message as WireFailure);
      this.#open.take(call);
      return open.failed(error);
    }
    // Deleted only afterwards: if the answer cannot be read, the link ends, and the call fails with it.
    open.answered(frame);
    this.#open.take(call);
  }

  /** Fails all open calls. Later ones fail at once. */
  end(why: string): void {
    this.#endedBecause = why;
    for (const call of this.#open.takeAll(this.#lastCall + 1)) call.failed(new WorkerLost(why));
  }

  #send(call: number, frame: readonly Buffer[], open: OpenHostCall): void {
    if (this.#endedBecause !== null) return open.failed(new WorkerLost(this.#endedBecause));
    if (this.#open.size >= callsMax) return open.failed(new PlatformError('overloaded', `a host has ${callsMax} open calls: retry later`));
    this.#open.set(call, open);
    this.#channel.send(call, frame);
  }

  #next(): number {
    do this.#lastCall = (this.#lastCall + 1) % numberMax;
    while (this.#open.get(this.#lastCall) !== undefined);
    return this.#lastCall;
  }
}

/** Ends early once the window is stopped: the call has been answered. */
async function sendFiles(paths: readonly string[], window: Window): Promise<void> {
  for (const path of paths) {
    for await (const chunk of createReadStream(path, { highWaterMark: fileChunkBytes })) {
      if (window.signal.aborted) return;
      await window.piece(chunk as Buffer);
    }
  }
}

/**
 * The server's end of one worker's socket: calls go out, answers come back, several may be under way. A worker runs
 * one after the other, in the order of the calls.
 */
import type { Socket } from 'node:net';
import { messageOf, PlatformError } from '../errors.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { errorOf, type Frame, FrameReader, kinds, malformed, messageFrame, sharedFrame, type WireFailure, writeFrame } from './frames.ts';
import type { Inspection } from './inspect.ts';
import { type Payload, payloadFrame, type Reply, type ReplyHead, type ReplySink, readBody } from './payload.ts';
import type { Bundle } from './process-bundle.ts';
import type { ProcessSpec } from './process-model.ts';
import { type SharedMemory, slots } from './shared-memory.ts';
import { type IndexedTensor, type RunTimings, readTensors, readTimings, runFrame, type TensorParts } from './tensor-frames.ts';

/** The worker's process ended, or its socket broke, with this call open. Inference has no side effects: it may be tried elsewhere. */
export class WorkerGone extends Error {
  constructor(why: string) {
    super(`the worker is gone: ${why}`);
    this.name = 'WorkerGone';
  }
}

export interface RunResult {
  /** In the order of the signature. Their data are views that stay valid. */
  readonly outputs: readonly Tensor[];
  readonly timings: RunTimings;
}

export interface LoadRequest {
  readonly path: string;
  /** onnxruntime's threads within one run. */
  readonly threads: number;
  /** Shown in the process title, `penstock-worker digits/3`. */
  readonly name?: string;
  /** The path is that of an archive, and this is what is started with it. */
  readonly process?: ProcessSpec;
}

export interface Loaded {
  readonly signature: Signature;
  readonly loadMs: number;
}

export interface WorkerStatus {
  readonly rssBytes: number;
  readonly pid: number;
}

/** What control calls say; `worker-calls.ts` answers them. */
export type CallMessage =
  | ({ readonly method: 'load' } & LoadRequest)
  | { readonly method: 'inspect-bundle'; readonly path: string; readonly bytesMax: number }
  | { readonly method: 'inspect'; readonly path: string; readonly rewriteTo: string }
  | { readonly method: 'status' };

interface OpenCall {
  readonly answered: (frame: Frame) => void;
  readonly failed: (error: Error) => void;
  /** A part of an answer that is not its end. */
  readonly piece?: (frame: Frame) => void;
}

/** What a process answered, and how long it took. */
export interface Invoked {
  readonly reply: Reply;
  readonly timings: RunTimings;
}

/** The head is in the first piece, the length of the body in each. */
interface PieceMessage {
  readonly head?: ReplyHead;
  readonly bytes: number;
}

export class WorkerLink {
  readonly #socket: Socket;
  readonly #memory: SharedMemory | null;
  /** By slot of the shared memory: the run whose frame lies there. */
  readonly #memoryCalls: (number | null)[] = Array.from({ length: slots }, () => null);
  readonly #open = new Map<number, OpenCall>();
  /** Calls whose frame is still being written, from memory that belongs to whoever called. */
  readonly #writing = new Set<number>();
  readonly #closeListeners: ((why: string) => void)[] = [];
  #lastCall = 0;
  #runsOpen = 0;
  #closedBecause: string | null = null;
  #signature: Signature | null = null;
  #inputIndex = new Map<string, number>();

  /** Takes over a connected socket whose hello has been read, and the memory that its worker shares. */
  constructor(socket: Socket, memory: SharedMemory | null = null) {
    this.#socket = socket;
    this.#memory = memory;
    const reader = new FrameReader((frame) => this.#receive(frame));
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#end(messageOf(error));
      }
    });
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('its process ended'));
    socket.resume();
  }

  /** Runs that were sent and not answered. */
  get runsOpen(): number {
    return this.#runsOpen;
  }

  /** What the loaded model takes and gives; null before `load`. */
  get signature(): Signature | null {
    return this.#signature;
  }

  async load(model: LoadRequest): Promise<Loaded> {
    const loaded = (await this.#call({ method: 'load', ...model })) as Loaded;
    this.#signature = loaded.signature;
    this.#inputIndex = new Map(loaded.signature.inputs.map((spec, index) => [spec.name, index]));
    return loaded;
  }

  /**
   * Runs the loaded model once. The parts must stay as they are until the answer. Rejects with `invalid_request` where
   * the inputs are at fault, `model_failed` where the model is, and `WorkerGone`.
   */
  run(inputs: readonly TensorParts[]): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      const signature = this.#signature;
      if (signature === null) throw new PlatformError('wrong_state', 'no model is loaded in this worker');
      const call = this.#nextCall();
      const frame = this.#shared(call, runFrame(call, this.#indexed(inputs)));
      const settle = (done: () => void) => {
        this.#runsOpen--;
        this.#freeSlot(call);
        done();
      };
      this.#runsOpen++;
      this.#send(call, frame, {
        answered: (answer) => {
          if (answer.kind !== kinds.ran) throw malformed('the answer to a run is of another kind');
          const result = { outputs: readTensors(answer, signature.outputs), timings: readTimings(answer) };
          settle(() => resolve(result));
        },
        failed: (error) => settle(() => reject(error)),
      });
    });
  }

  /**
   * Asks the process that is loaded. With a sink, a reply whose length is not known when it begins is handed to it as it
   * comes. Rejects with `model_failed` where there is no whole reply, with what the sink threw, and with `WorkerGone`.
   */
  invoke(payload: Payload, replyBytesMax: number, sink: ReplySink | null = null): Promise<Invoked> {
    return new Promise((resolve, reject) => {
      const call = this.#nextCall();
      const { headers, files } = payload;
      const message = { headers, replyBytesMax, streams: sink !== null, ...(files === undefined ? {} : { files }) };
      const frame = this.#shared(call, payloadFrame(call, kinds.invoke, message, payload.body));
      const pieces = new Pieces(sink, (answer) => writeFrame(this.#socket, [messageFrame(call, kinds.taken, answer)]));
      const settle = (done: () => void) => {
        this.#runsOpen--;
        this.#freeSlot(call);
        done();
      };
      this.#runsOpen++;
      this.#send(call, frame, {
        piece: (piece) => pieces.take(piece.message as PieceMessage, readBody(piece)),
        answered: (answer) => {
          if (answer.kind !== kinds.replied) throw malformed('the answer to an invocation is of another kind');
          const { timings, ...head } = answer.message as Omit<Reply, 'body'> & { timings: RunTimings };
          const reply = { status: head.status, headers: head.headers, isStreamed: head.isStreamed, body: readBody(answer) };
          void pieces.end().then(
            () => settle(() => resolve({ reply, timings })),
            (error: Error) => settle(() => reject(error)),
          );
        },
        failed: (error) => settle(() => reject(pieces.failure ?? error)),
      });
    });
  }

  /**
   * Has the worker open a model file and say what it is. Where the file had to be rewritten to be served (ZipMap),
   * the result lies at `rewriteTo`. Rejects with `invalid_request` or `unsupported` where the file is at fault.
   */
  async inspect(path: string, rewriteTo: string): Promise<Inspection> {
    return (await this.#call({ method: 'inspect', path, rewriteTo })) as Inspection;
  }

  /** Has the worker look through the archive of a process. Rejects with `invalid_request`, `unsupported`, `too_large`. */
  async inspectBundle(path: string, bytesMax: number): Promise<Bundle> {
    return (await this.#call({ method: 'inspect-bundle', path, bytesMax })) as Bundle;
  }

  /** Answered between two runs: silence while a run is open means nothing. */
  async status(): Promise<WorkerStatus> {
    return (await this.#call({ method: 'status' })) as WorkerStatus;
  }

  /** Ends the connection, and with it the worker. Open calls reject with `WorkerGone`. */
  close(): void {
    this.#end('the server closed the connection');
  }

  /** Called once, at once if the link is closed already. */
  onClose(listener: (why: string) => void): void {
    if (this.#closedBecause === null) this.#closeListeners.push(listener);
    else listener(this.#closedBecause);
  }

  #nextCall(): number {
    this.#lastCall = (this.#lastCall + 1) >>> 0;
    return this.#lastCall;
  }

  #indexed(inputs: readonly TensorParts[]): IndexedTensor[] {
    return inputs.map((input) => {
      const index = this.#inputIndex.get(input.name);
      if (index === undefined) {
        const known = [...this.#inputIndex.keys()].join(', ');
        throw new PlatformError('invalid_request', `the model has no input '${input.name}'; it has ${known}`);
      }
      return { index, datatype: input.datatype, shape: input.shape, parts: input.parts };
    });
  }

  /** A large frame goes through the shared memory, if a slot is free. */
  #shared(call: number, frame: readonly Buffer[]): readonly Buffer[] {
    if (this.#memory === null || frame.length === 1 || this.#closedBecause !== null) return frame;
    const slot = this.#memoryCalls.indexOf(null);
    const bytes = (frame[0] as Buffer).readUInt32LE(0);
    if (slot === -1 || !this.#memory.write(slot, frame, bytes)) return frame;
    this.#memoryCalls[slot] = call;
    return [sharedFrame(call, slot, bytes)];
  }

  #freeSlot(call: number): void {
    const slot = this.#memoryCalls.indexOf(call);
    if (slot !== -1) this.#memoryCalls[slot] = null;
  }

  #call(message: CallMessage): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#nextCall();
      this.#send(call, [messageFrame(call, kinds.call, message)], { answered: (frame) => resolve(frame.message), failed: reject });
    });
  }

  #send(call: number, frame: readonly Buffer[], open: OpenCall): void {
    if (this.#closedBecause !== null) {
      open.failed(new WorkerGone(this.#closedBecause));
      return;
    }
    this.#open.set(call, open);
    if (frame.length === 1) return writeFrame(this.#socket, frame);
    this.#writing.add(call);
    writeFrame(this.#socket, frame, () => this.#writing.delete(call));
  }

  #receive(frame: Frame): void {
    const open = this.#open.get(frame.call);
    if (open === undefined) throw malformed(`it answers call ${frame.call}, which is not open`);
    // Whoever called takes back, with the answer, the memory that is being sent.
    if (this.#writing.has(frame.call)) throw malformed(`it answers call ${frame.call} before it can have read it`);
    if (frame.kind === kinds.piece) {
      if (open.piece === undefined) throw malformed('an answer comes in pieces that is none of a process');
      open.piece(frame);
    } else if (frame.kind === kinds.failed) {
      this.#open.delete(frame.call);
      open.failed(errorOf(frame.message as WireFailure));
    } else {
      // Deleted only afterwards: if the answer cannot be read, the link ends and the call fails with it.
      open.answered(frame);
      this.#open.delete(frame.call);
    }
  }

  #end(why: string): void {
    if (this.#closedBecause !== null) return;
    this.#closedBecause = why;
    this.#socket.destroy();
    this.#memory?.close();
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const call of open) call.failed(new WorkerGone(why));
    for (const listener of this.#closeListeners.splice(0)) listener(why);
  }
}

/** The pieces of one reply: each is told to be taken once the sink has taken it, and after it has failed none is. */
class Pieces {
  failure: Error | null = null;
  readonly #sink: ReplySink | null;
  readonly #answer: (message: { bytes: number } | { stop: true }) => void;
  #taken: Promise<void> = Promise.resolve();

  constructor(sink: ReplySink | null, answer: (message: { bytes: number } | { stop: true }) => void) {
    this.#sink = sink;
    this.#answer = answer;
  }

  take({ head }: PieceMessage, bytes: Buffer): void {
    const sink = this.#sink;
    if (sink === null) throw malformed('a piece of a reply that nobody takes in pieces');
    this.#taken = this.#taken.then(async () => {
      if (this.failure !== null) return;
      try {
        if (head !== undefined) sink.begin(head);
        if (bytes.length > 0) await sink.piece(bytes);
        this.#answer({ bytes: bytes.length });
      } catch (error) {
        this.failure = error instanceof Error ? error : new Error(String(error));
        this.#answer({ stop: true });
      }
    });
  }

  /** Resolves when all is taken. Rejects with what the sink threw. */
  async end(): Promise<void> {
    await this.#taken;
    if (this.failure !== null) throw this.failure;
  }
}

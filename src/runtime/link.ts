/**
 * The server's end of one worker's socket: calls go out, answers come back, several may be under way. A worker runs
 * one after the other, in the order of the calls.
 */
import type { Socket } from 'node:net';
import { messageOf, PlatformError } from '../errors.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { errorOf, type Frame, FrameReader, kinds, malformed, messageFrame, sharedFrame, type WireFailure, writeFrame } from './frames.ts';
import type { Inspection } from './inspect.ts';
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
}

export interface Loaded {
  readonly signature: Signature;
  readonly loadMs: number;
}

export interface WorkerStatus {
  readonly rssBytes: number;
}

/** What control calls say; `worker-calls.ts` answers them. */
export type CallMessage =
  | ({ readonly method: 'load' } & LoadRequest)
  | { readonly method: 'inspect'; readonly path: string; readonly rewriteTo: string }
  | { readonly method: 'status' };

interface OpenCall {
  readonly answered: (frame: Frame) => void;
  readonly failed: (error: Error) => void;
}

export class WorkerLink {
  readonly #socket: Socket;
  readonly #memory: SharedMemory | null;
  /** By slot of the shared memory: the run whose frame lies there. */
  readonly #memoryCalls: (number | null)[] = Array.from({ length: slots }, () => null);
  readonly #open = new Map<number, OpenCall>();
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
        const slot = this.#memoryCalls.indexOf(call);
        if (slot !== -1) this.#memoryCalls[slot] = null;
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
   * Has the worker open a model file and say what it is. Where the file had to be rewritten to be served (ZipMap),
   * the result lies at `rewriteTo`. Rejects with `invalid_request` or `unsupported` where the file is at fault.
   */
  async inspect(path: string, rewriteTo: string): Promise<Inspection> {
    return (await this.#call({ method: 'inspect', path, rewriteTo })) as Inspection;
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
    writeFrame(this.#socket, frame);
  }

  #receive(frame: Frame): void {
    const open = this.#open.get(frame.call);
    if (open === undefined) throw malformed(`it answers call ${frame.call}, which is not open`);
    if (frame.kind === kinds.failed) {
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

/** The server's end of a worker's socket. Several calls can be open at once; the worker processes them in order. */
import type { Socket } from 'node:net';
import { defined } from '../../defined.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Signature } from '../../tensor.ts';
import type { Batchability } from '../probe/batch-probe.ts';
import { probeModel } from '../probe/batch-probe.ts';
import type { InspectedFiles, Inspection, ModelDescription } from '../probe/inspect.ts';
import type { SampleBody } from '../probe/sample-rows.ts';
import type { Bundle } from '../process/process-bundle.ts';
import type { ProcessSpec } from '../process/process-model.ts';
import { type OpenedPython, openedOf, type PythonLoad, type PythonOpen } from '../python-calls.ts';
import { bundleFolder, type DataFile, type ModelFiles, sharedFiles, type WorkerFiles } from '../worker-files.ts';
import type { LoadPlans, MissingModel, OtherModel, WorkerPlans } from '../worker-plans.ts';
import { CallRequests } from './call-requests.ts';
import { CallTable } from './call-table.ts';
import {
  errorOf,
  type Frame,
  FrameReader,
  FrameWriter,
  kinds,
  malformedFrame,
  messageFrame,
  sharedFrame,
  type WireFailure,
  writeFrame,
} from './frames.ts';
import { type LoadMissingMessage, MissingModels, withReasons } from './missing-models.ts';
import { type Payload, payloadFrame, type ReplySink, readFrameBody } from './payload.ts';
import { type InvokeResult, type PieceMessage, ReplyPieces } from './reply-pieces.ts';
import { type ResultReader, type RunResult, readPlain, resultReader } from './results.ts';
import { type SharedMemory, slots } from './shared-memory.ts';
import { type IndexedTensor, runFrame, type TensorParts } from './tensor-frames.ts';
import { WorkerLost } from './worker-lost.ts';

/** The first call on a link: which model to load, and how. */
export interface LoadRequest extends ModelFiles {
  /** onnxruntime's threads within one run. */
  readonly threads: number;
  /** Shown in the process title, `penstock-worker digits/3`. */
  readonly name?: string;
  /** If set, the path is that of an archive, from which this process is started. */
  readonly process?: ProcessSpec;
  /** If set, the data files are a folder with a Python model. */
  readonly python?: PythonLoad;
  /** If set, the worker loads other models too, and answers by plans. The signature is their contract. */
  readonly plans?: LoadPlans;
  /** Models of the plans that must not be loaded. Default: none. */
  readonly damaged?: readonly MissingModel[];
}

/** What a worker reports after its load. */
export interface LoadedModel {
  readonly signature: Signature;
  readonly loadMs: number;
  readonly missing?: MissingModels['found'];
}

/** What a worker says about its process. */
export interface WorkerStatus {
  readonly rssBytes: number;
  /** 0 if it runs on another machine. */
  readonly pid: number;
}

/** Messages of control calls; `worker-calls.ts` answers them. */
export type CallMessage =
  | ({ readonly method: 'load' } & Omit<LoadRequest, 'data' | 'python' | 'plans'> & { readonly plans?: LoadedPlans })
  | LoadMissingMessage
  | { readonly method: 'inspect-bundle'; readonly path: string; readonly bytesMax: number }
  | { readonly method: 'unpack'; readonly path: string; readonly folder: string; readonly bytesMax: number }
  | ({ readonly method: 'inspect'; readonly rewriteTo: string } & InspectedFiles)
  | { readonly method: 'status' };

/** Plans as they are sent: the files of the other models are paths. */
export interface LoadedPlans extends WorkerPlans {
  readonly paths: readonly string[];
}

type PythonFiles = Required<Pick<OtherModel, 'python'>> & ModelFiles;

/** Calls that a Python worker answers. */
type PythonCall = { readonly method: 'load' | 'open'; readonly path: string; readonly [member: string]: unknown };

interface OpenCall {
  readonly answered: (frame: Frame) => void;
  readonly failed: (error: Error) => void;
  /** Called for each part of an answer except the last one. */
  readonly piece?: (frame: Frame) => void;
}

/** Every open call settles exactly once: with its answer, or with `unavailable` if the connection ends first. */
export class WorkerLink {
  readonly #socket: Socket;
  readonly #memory: SharedMemory | null;
  readonly #files: WorkerFiles;
  readonly #pid: number | null;
  /** By slot of the shared memory: the call whose frame is in the slot. */
  readonly #memoryCalls: (number | null)[] = Array.from({ length: slots }, () => null);
  readonly #open = new CallTable<OpenCall>();
  /** Calls whose frame is still being written from memory of the caller. */
  readonly #writing = new Set<number>();
  readonly #writer: FrameWriter;
  readonly #closeListeners: ((why: string) => void)[] = [];
  readonly #requests = new CallRequests();
  #lastCall = 0;
  #runsOpen = 0;
  #runsSent = 0;
  /** Models of the plans that could not be loaded. */
  readonly missing = new MissingModels({ lend: (...of) => this.#lending(...of), call: (message) => this.#call(message) });
  #closedBecause: string | null = null;
  #signature: Signature | null = null;
  #inputIndex = new Map<string, number>();
  #read: ResultReader = readPlain;

  /**
   * Takes over a connected socket whose hello has been read, the shared memory of the worker, and its file access. `pid` is the pid of the
   * worker as seen by the server; in a pid namespace the worker itself sees another one.
   */
  constructor(socket: Socket, memory: SharedMemory | null = null, files: WorkerFiles = sharedFiles, pid: number | null = null) {
    this.#pid = pid;
    this.#socket = socket;
    this.#writer = new FrameWriter(socket);
    this.#memory = memory;
    this.#files = files;
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

  /** Runs and invocations that were ever sent. */
  get runsSent(): number {
    return this.#runsSent;
  }

  /** The requests that this call runs or ran; empty if they are no longer known. */
  requestsOf(call: number | null): readonly string[] {
    return this.#requests.of(call);
  }

  /** The requests of the oldest call that is open. */
  get openRequests(): readonly string[] {
    return this.requestsOf(this.#open.oldest(this.#lastCall + 1) ?? null);
  }

  /** Signature of the loaded model; null before `load`. */
  get signature(): Signature | null {
    return this.#signature;
  }

  /** Loads a model, or the models of several plans. Plans whose models cannot be loaded are reported as missing, with their reasons. */
  async load({ path, data = [], python, plans, damaged = [], ...model }: LoadRequest): Promise<LoadedModel> {
    if (python !== undefined) return this.#loadPython({ path, data, python }, plans, model);
    const { others = [], ...sent } = plans ?? {};
    const load = async ([lent = '', ...paths]: readonly string[]) => {
      const withPlans = plans === undefined ? {} : { plans: { ...(sent as WorkerPlans), paths } };
      return (await this.#call({ method: 'load', ...model, path: lent, ...withPlans })) as LoadedModel;
    };
    const files = [{ path, data }, ...others];
    const lent = files.map((file, position) => (damaged.some((each) => each.model === position) ? null : file));
    const { signature, loadMs, missing } = await this.#lending(lent, load).catch((cause: unknown) => {
      throw damaged[0] === undefined ? cause : new PlatformError('unavailable', damaged[0].reason, { cause });
    });
    this.missing.loaded(files, model.threads, withReasons(missing, damaged));
    this.#read = resultReader(plans);
    this.#expect(plans?.contract ?? signature);
    return { signature: plans?.contract ?? signature, loadMs };
  }

  /**
   * Loads a Python model, or those of plans. The signature is the one that was approved; the worker checks it. Rejects with `model_failed` if
   * a model cannot be loaded.
   */
  async #loadPython(first: PythonFiles, plans: LoadPlans | undefined, more: object): Promise<LoadedModel> {
    const { others = [], ...sent } = plans ?? {};
    const withPlans =
      plans === undefined ? {} : { plans: { ...sent, others: others.map((other) => this.#lendPython(other as PythonFiles)) } };
    const { loadMs } = (await this.#call({ method: 'load', ...more, ...this.#lendPython(first), ...withPlans })) as LoadedModel;
    const signature = plans?.contract ?? first.python.signature;
    this.#read = resultReader(plans);
    this.#expect(signature);
    return { signature, loadMs };
  }

  /** Not released: the model may open more of its files later. */
  #lendPython({ data = [], python }: PythonFiles): { readonly path: string; readonly python: object } {
    const { flavour, form, entry, variables, libraries, signature } = python;
    const { path } = this.#files.lendFolder(data);
    return { path, python: { flavour, form, entry, ...defined({ variables, libraries }), ...signature } };
  }

  /**
   * Opens a Python model, which runs its code, and tests whether it can be batched, which begins with `onProbe`. Rejects with `model_failed` if it cannot be opened.
   */
  async openPython(
    files: readonly DataFile[],
    { sample, ...model }: PythonOpen,
    onProbe: () => void = () => {},
  ): Promise<OpenedPython & Batchability> {
    const lent = this.#files.lendFolder(files);
    const body = sample === null ? {} : { sample: { contentType: sample.contentType, body: sample.body.toString('base64') } };
    const opened = openedOf(await this.#call({ method: 'open', path: lent.path, ...model, ...body }));
    this.#expect(opened.signature);
    if (opened.form === 'bytes' || opened.form === 'stream') {
      const reason = `its function takes one request at a time (${opened.form})`;
      return { ...opened, batchable: false, reason, note: null };
    }
    onProbe();
    return { ...opened, ...(await probeModel(this, opened.signature, sample)) };
  }

  #expect(signature: Signature): void {
    this.#signature = signature;
    this.#inputIndex = new Map(signature.inputs.map((spec, index) => [spec.name, index]));
  }

  /**
   * Runs the loaded model once, or a plan. The parts must not change until it settles. `requestIds` name what it prints. Rejects with
   * `invalid_request` if the inputs are the cause, `model_failed` if the model is, `wrong_state` for an unknown plan, and `WorkerLost`.
   */
  run(inputs: readonly TensorParts[], requestIds: readonly string[] = [], plan = 0): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      const signature = this.#signature;
      if (signature === null) throw new PlatformError('wrong_state', 'no model is loaded in this worker');
      const call = this.#nextCall();
      this.#requests.add(call, requestIds);
      const frame = this.#shared(call, runFrame(call, this.#indexed(inputs), plan));
      const settle = (done: () => void) => {
        this.#runsOpen--;
        this.#freeSlot(call);
        done();
      };
      this.#runsOpen++;
      this.#runsSent++;
      this.#send(call, frame, {
        answered: (answer) => {
          if (answer.kind !== kinds.ran) throw malformedFrame('the answer to a run has another kind');
          const result = this.#read(answer, signature.outputs);
          settle(() => resolve(result));
        },
        failed: (error) => settle(() => reject(error)),
      });
    });
  }

  /**
   * Calls the loaded process. With a sink, a reply of unknown length is streamed to it. `requestIds` name what it prints. Rejects with `model_failed` if the reply is missing
   * or incomplete, with the error of the sink, and with `WorkerLost`.
   */
  invoke(
    payload: Payload,
    replyBytesMax: number,
    sink: ReplySink | null = null,
    requestIds: readonly string[] = [],
  ): Promise<InvokeResult> {
    return new Promise((resolve, reject) => {
      const call = this.#nextCall();
      this.#requests.add(call, requestIds);
      const { headers, files, deadlineMs } = payload;
      const lent = files?.paths.map((path) => this.#files.lend(path)) ?? [];
      const lentFiles = files === undefined ? {} : { files: { ...files, paths: lent.map(({ path }) => path) } };
      const message = { headers, replyBytesMax, streams: sink !== null, deadlineMs, ...lentFiles };
      const frame = this.#shared(call, payloadFrame(call, kinds.invoke, message, payload.body));
      const pieces = new ReplyPieces(sink, (answer) => writeFrame(this.#socket, [messageFrame(call, kinds.taken, answer)]));
      const settle = (done: () => void) => {
        this.#runsOpen--;
        this.#freeSlot(call);
        for (const file of lent) file.release();
        done();
      };
      this.#runsOpen++;
      this.#runsSent++;
      this.#send(call, frame, {
        piece: (piece) => pieces.consume(piece.message as PieceMessage, readFrameBody(piece)),
        ...pieces.settling(kinds.replied, {
          resolve: (result) => settle(() => resolve(result)),
          reject: (error) => settle(() => reject(error)),
        }),
      });
    });
  }

  /**
   * Inspects a model in the worker, which then has it loaded, and tests whether it can be batched. If its file must be rewritten to be
   * served (ZipMap), the result is at `rewriteTo`. Rows of `sample` are tested before generated ones. Rejects with `invalid_request` or
   * `unsupported` if the files are the cause.
   */
  async inspect({ path, data = [] }: ModelFiles, rewriteTo: string, sample: SampleBody | null = null): Promise<Inspection> {
    const rewritten = this.#files.collect(rewriteTo);
    const sizes = data.map(({ name, bytes }) => ({ name, bytes }));
    const message = { method: 'inspect', rewriteTo: rewritten.path, data: sizes } as const;
    const describe = async (lent: string) => (await this.#call({ ...message, path: lent })) as ModelDescription;
    const described = await this.#lending([{ path, data }], ([lent = '']) => describe(lent));
    if (described.rewritten) rewritten.take();
    this.#expect(described.signature);
    const { batchable, reason, note } = await probeModel(this, described.signature, sample);
    const notes = note === null ? described.notes : [...described.notes, note];
    return { ...described, notes, batchable, batchableReason: reason };
  }

  /** Validates the archive of a process in the worker. Rejects with `invalid_request`, `unsupported`, `too_large`. */
  async inspectBundle(path: string, bytesMax: number): Promise<Bundle> {
    const inspect = async ([lent = '']: readonly string[]) =>
      (await this.#call({ method: 'inspect-bundle', path: lent, bytesMax })) as Bundle;
    return await this.#lending([{ path }], inspect);
  }

  /** Unpacks the archive of a process into the folder of the worker, before any of its code runs. Rejects like `inspectBundle`. */
  async unpack(path: string, directory: string, bytesMax: number): Promise<Bundle> {
    const folder = bundleFolder(directory);
    const unpack = async ([lent = '']: readonly string[]) =>
      (await this.#call({ method: 'unpack', path: lent, folder, bytesMax })) as Bundle;
    return await this.#lending([{ path }], unpack);
  }

  /** The worker answers between two runs: a missing answer during a run means nothing. */
  async status(): Promise<WorkerStatus> {
    const status = (await this.#call({ method: 'status' })) as WorkerStatus;
    return this.#pid === null ? status : { ...status, pid: this.#pid };
  }

  /** Ends the connection, and with it the worker. Open calls reject with `WorkerLost`. */
  close(): void {
    this.#end('the server closed the connection');
  }

  /** Calls the listener once when the link closes, or at once if it is already closed. */
  onClose(listener: (why: string) => void): void {
    if (this.#closedBecause === null) this.#closeListeners.push(listener);
    else listener(this.#closedBecause);
  }

  /** Gives the worker read access to the files while `use` runs. */
  /** A model without files has the path ''. */
  async #lending<T>(models: readonly (ModelFiles | null)[], use: (paths: readonly string[]) => Promise<T>): Promise<T> {
    const lent = models.map((model) => model && this.#files.lend(model.path, model.data));
    try {
      return await use(lent.map((file) => file?.path ?? ''));
    } finally {
      for (const file of lent) file?.release();
    }
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
        throw new PlatformError('invalid_request', `the model has no input '${input.name}': expected ${known}`);
      }
      return { index, datatype: input.datatype, shape: input.shape, parts: input.parts };
    });
  }

  /** Moves a large frame to the shared memory if a slot is free, and returns the frame to send. */
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

  #call(message: CallMessage | PythonCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#nextCall();
      this.#send(call, [messageFrame(call, kinds.call, message)], { answered: (frame) => resolve(frame.message), failed: reject });
    });
  }

  #send(call: number, frame: readonly Buffer[], open: OpenCall): void {
    if (this.#closedBecause !== null) {
      open.failed(new WorkerLost(this.#closedBecause));
      return;
    }
    this.#open.set(call, open);
    if (frame.length > 1) this.#writing.add(call);
    this.#writer.write(frame, () => this.#writing.delete(call));
  }

  #receive(frame: Frame): void {
    const open = this.#open.get(frame.call);
    if (open === undefined) throw malformedFrame(`it answers call ${frame.call}, which is not open`);
    // The caller reclaims the memory being sent with the answer.
    if (this.#writing.has(frame.call)) throw malformedFrame(`it answers call ${frame.call} before it can have read it`);
    if (frame.kind === kinds.piece) {
      if (open.piece === undefined) throw malformedFrame('an answer in pieces that does not come from a process');
      open.piece(frame);
    } else if (frame.kind === kinds.failed) {
      const error = errorOf(frame.message as WireFailure); // throws if it cannot be read: the call fails with the link
      this.#open.take(frame.call);
      open.failed(error);
    } else {
      // Deleted only afterwards: if the answer cannot be read, the link ends, and the call fails with that error.
      open.answered(frame);
      this.#open.take(frame.call);
    }
  }

  #end(why: string): void {
    if (this.#closedBecause !== null) return;
    this.#closedBecause = why;
    this.#socket.destroy();
    this.#memory?.close();
    for (const call of this.#open.takeAll(this.#lastCall + 1)) call.failed(new WorkerLost(why));
    for (const listener of this.#closeListeners.splice(0)) listener(why);
  }
}

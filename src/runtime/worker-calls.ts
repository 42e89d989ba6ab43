/** Serves the calls of a worker: load, run, invoke, status. A failed call is answered with its failure, and the worker goes on. */
interface InvokeMessage {
  readonly headers: PayloadHeaders;
  readonly replyBytesMax: number;
  readonly streams: boolean;
  readonly files?: BodyFiles;
}

/** The worker's side of the link: receives frames, executes the calls, and answers each exactly once. */
import assert from 'node:assert/strict';
import { flushCompileCache } from 'node:module';
import type { Clock } from '../clock.ts';
import { asPlatformError } from '../errors.ts';
import { type Frame, failureOf, kinds, messageFrame } from './link/frames.ts';
import type { CallMessage, LoadedModel, WorkerStatus } from './link/link.ts';
import { type BodyFiles, type PayloadHeaders, payloadFrame, readFrameBody } from './link/payload.ts';
import { ranFrame, readTensors, setTimings } from './link/tensor-frames.ts';
import { Window } from './link/window.ts';
import { OnnxModel } from './onnx/onnx-model.ts';
import type { PlanModel } from './plan-model.ts';
import type { ProcessModel } from './process/process-model.ts';
import { noPlans, stageTensors, type WorkerPlans } from './worker-plans.ts';

/** One model per worker: ONNX, plans of several, or a process. */
export class WorkerCalls {
  readonly #send: (frame: readonly Buffer[]) => void;
  readonly #clock: Clock;
  readonly #nowMs: () => number;
  readonly #onLost: (why: string) => void;
  #model: OnnxModel | null = null;
  #plans: { readonly model: PlanModel; readonly contract: WorkerPlans['contract'] } | null = null;
  #process: ProcessModel | null = null;
  /** The window of each streamed reply, by call. */
  readonly #windows = new Map<number, Window>();
  #freeAtMs = 0;

  /** `onLost` is called if the process of the model ended or stopped answering: the worker must then end, too. */
  constructor(send: (frame: readonly Buffer[]) => void, clock: Clock, onLost: (why: string) => void) {
    this.#send = send;
    this.#clock = clock;
    this.#nowMs = () => clock.nowMs();
    this.#onLost = onLost;
  }

  /** Ends the process gracefully, if there is one. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /**
   * Resolves once the call is answered; the run of a model alone is answered before this returns. Errors of the call are sent back as a
   * failure. Rejects if the frame is malformed, or if nothing can be sent any longer.
   */
  async receive(frame: Frame): Promise<void> {
    if (frame.kind === kinds.taken) {
      this.#windows.get(frame.call)?.consumed(frame.message as { bytes?: number; stop?: boolean });
      return;
    }
    try {
      if (frame.kind === kinds.run && this.#plans === null) this.#run(frame);
      else if (frame.kind === kinds.run) await this.#runPlan(frame);
      else if (frame.kind === kinds.invoke) await this.#invoke(frame);
      else await this.#answer(frame);
    } catch (error) {
      this.#send([messageFrame(frame.call, kinds.failed, failureOf(asPlatformError(error)))]);
    }
  }

  #run(frame: Frame): void {
    if (frame.plan !== 0) throw noPlans(frame.plan);
    const model = this.#model;
    assert(model !== null, 'a run must follow the load');
    const arrivedMs = this.#nowMs();
    const feeds = model.feeds(readTensors(frame, model.signature.inputs));
    const decodedMs = this.#nowMs();
    const values = model.run(feeds);
    const ranMs = this.#nowMs();
    const outputs = model.outputs(values);
    const answer = ranFrame(
      frame.call,
      outputs.map(({ datatype, shape, data }, index) => ({ index, datatype, shape, parts: [data] })),
    );
    setTimings(answer, { inMs: decodedMs - arrivedMs, runMs: ranMs - decodedMs, outMs: this.#nowMs() - ranMs });
    this.#send(answer);
  }

  async #runPlan(frame: Frame): Promise<void> {
    assert(this.#plans !== null, 'only a worker with plans runs one');
    const { model, contract } = this.#plans;
    const arrivedMs = this.#nowMs();
    const inputs = readTensors(frame, contract.inputs);
    const decodedMs = this.#nowMs();
    const { outputs, rows } = await model.run(inputs, frame.plan);
    const ranMs = this.#nowMs();
    // Runs may be queued: this one began when it was decoded or when the previous run was answered, whichever was later.
    const runMs = ranMs - Math.max(decodedMs, this.#freeAtMs);
    const answer = ranFrame(frame.call, [
      ...outputs.map(({ datatype, shape, data }, index) => ({ index, datatype, shape, parts: [data] })),
      ...(rows === null ? [] : stageTensors(rows)),
    ]);
    this.#freeAtMs = this.#nowMs();
    setTimings(answer, { inMs: decodedMs - arrivedMs, runMs, outMs: this.#freeAtMs - ranMs });
    this.#send(answer);
  }

  async #invoke(frame: Frame): Promise<void> {
    const model = this.#process;
    assert(model !== null, 'an invocation must follow the load of a process');
    const { call } = frame;
    const { headers, replyBytesMax, streams, files } = frame.message as InvokeMessage;
    const window = new Window((message, bytes) => this.#send(payloadFrame(call, kinds.piece, message, bytes)));
    this.#windows.set(call, window);
    let startMs = 0;
    const begin = (): void => {
      startMs = this.#nowMs();
    };
    try {
      const options = { replyBytesMax, sink: streams ? window : null, signal: window.signal };
      const { body, ...head } = await model.invoke(
        { headers, body: readFrameBody(frame), ...(files === undefined ? {} : { files }) },
        options,
        begin,
      );
      const timings = { inMs: 0, runMs: this.#nowMs() - startMs, outMs: 0 };
      this.#send(payloadFrame(call, kinds.replied, { ...head, timings }, body));
    } finally {
      this.#windows.delete(call);
    }
  }

  async #answer(frame: Frame): Promise<void> {
    const message = frame.message as CallMessage;
    const answer = await this.#do(message);
    this.#send([messageFrame(frame.call, kinds.answer, answer)]);
  }

  async #do(message: CallMessage): Promise<unknown> {
    switch (message.method) {
      case 'load': {
        const startMs = this.#nowMs();
        if (message.process !== undefined) {
          const { ProcessModel: Process } = await import('./process/process-model.ts');
          const print = (line: string) => void process.stdout.write(`${line}\n`);
          const around = { clock: this.#clock, threads: message.threads, print, onWorkerLost: this.#onLost };
          this.#process = await Process.start(message.process, around);
          if (message.name !== undefined) process.title = `penstock-worker ${message.name}`;
          return { signature: { inputs: [], outputs: [] }, loadMs: this.#nowMs() - startMs } satisfies LoadedModel;
        }
        this.#model?.release();
        this.#model = null;
        if (message.plans !== undefined) {
          const { contract, paths } = message.plans;
          const { PlanModel: Plans } = await import('./plan-model.ts');
          this.#plans = { contract, model: await Plans.load([message.path, ...paths], message.threads, message.plans, this.#nowMs) };
          if (message.name !== undefined) process.title = `penstock-worker ${message.name}`;
          const { missing } = this.#plans.model;
          return { signature: contract, loadMs: this.#nowMs() - startMs, missing } satisfies LoadedModel;
        }
        this.#model = OnnxModel.load(message.path, message.threads);
        if (message.name !== undefined) process.title = `penstock-worker ${message.name}`;
        return { signature: this.#model.signature, loadMs: this.#nowMs() - startMs } satisfies LoadedModel;
      }
      case 'load-missing':
        assert(this.#plans !== null, 'missing models belong to plans');
        return this.#plans.model.loadMissing(new Map(message.models.map(({ model, path }) => [model, path])), message.threads);
      case 'inspect': {
        // Imported only here: the ONNX parser would cost every serving worker time and memory.
        const { describeModel } = await import('./probe/inspect.ts');
        flushCompileCache();
        const { model, description } = await describeModel(message, message.rewriteTo, this.#nowMs);
        this.#model = model;
        return description;
      }
      case 'inspect-bundle': {
        const { inspectBundle } = await import('./process/process-bundle.ts');
        return inspectBundle(message.path, message.bytesMax);
      }
      case 'unpack': {
        const { unpackBundle } = await import('./process/process-bundle.ts');
        return unpackBundle(message.path, message.folder, message.bytesMax);
      }
      case 'status':
        return { rssBytes: process.memoryUsage.rss(), pid: process.pid } satisfies WorkerStatus;
    }
  }
}

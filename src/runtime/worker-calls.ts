/** The worker's side of the link: takes frames, does what they ask, answers each exactly once. */
import assert from 'node:assert/strict';
import { flushCompileCache } from 'node:module';
import type { Socket } from 'node:net';
import { asPlatformError } from '../errors.ts';
import { type Frame, failureOf, kinds, messageFrame, writeFrame } from './frames.ts';
import type { CallMessage, Loaded, WorkerStatus } from './link.ts';
import { OnnxModel } from './onnx-model.ts';
import { ranFrame, readTensors, setTimings } from './tensor-frames.ts';

export class WorkerCalls {
  readonly #socket: Socket;
  readonly #nowMs: () => number;
  #model: OnnxModel | null = null;
  #freeAtMs = 0;

  constructor(socket: Socket, nowMs: () => number) {
    this.#socket = socket;
    this.#nowMs = nowMs;
  }

  /** Throws where the frame is malformed; what the call itself does wrong goes back as a failure. */
  receive(frame: Frame): void {
    const answering = frame.kind === kinds.run ? this.#run(frame) : this.#answer(frame);
    answering.catch((error: unknown) => {
      writeFrame(this.#socket, [messageFrame(frame.call, kinds.failed, failureOf(asPlatformError(error)))]);
    });
  }

  async #run(frame: Frame): Promise<void> {
    const model = this.#model;
    assert(model !== null, 'a run comes after the load');
    const arrivedMs = this.#nowMs();
    const feeds = model.feeds(readTensors(frame, model.signature.inputs));
    const decodedMs = this.#nowMs();
    const values = await model.run(feeds);
    const ranMs = this.#nowMs();
    // Runs queue up behind each other: this one began when it was decoded or when the one before was answered.
    const runMs = ranMs - Math.max(decodedMs, this.#freeAtMs);
    const outputs = model.outputs(values);
    const answer = ranFrame(
      frame.call,
      outputs.map(({ datatype, shape, data }, index) => ({ index, datatype, shape, parts: [data] })),
    );
    this.#freeAtMs = this.#nowMs();
    setTimings(answer, { inMs: decodedMs - arrivedMs, runMs, outMs: this.#freeAtMs - ranMs });
    writeFrame(this.#socket, answer);
  }

  async #answer(frame: Frame): Promise<void> {
    const message = frame.message as CallMessage;
    const answer = await this.#do(message);
    writeFrame(this.#socket, [messageFrame(frame.call, kinds.answer, answer)]);
  }

  async #do(message: CallMessage): Promise<unknown> {
    switch (message.method) {
      case 'load': {
        const startMs = this.#nowMs();
        await this.#model?.release();
        this.#model = null;
        this.#model = await OnnxModel.load(message.path, message.threads);
        if (message.name !== undefined) process.title = `penstock-worker ${message.name}`;
        return { signature: this.#model.signature, loadMs: this.#nowMs() - startMs } satisfies Loaded;
      }
      case 'inspect': {
        // Loaded only here: parsing ONNX costs a serving worker neither time nor memory.
        const { inspect } = await import('./inspect.ts');
        flushCompileCache();
        return inspect(message.path, message.rewriteTo, this.#nowMs);
      }
      case 'status':
        return { rssBytes: process.memoryUsage.rss() } satisfies WorkerStatus;
    }
  }
}

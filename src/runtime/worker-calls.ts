interface InvokeMessage {
  readonly headers: PayloadHeaders;
  readonly replyBytesMax: number;
  readonly streams: boolean;
  readonly files?: BodyFiles;
}

/** The worker's side of the link: takes frames, does what they ask, answers each exactly once. */
import assert from 'node:assert/strict';
import { flushCompileCache } from 'node:module';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { asPlatformError } from '../errors.ts';
import { type Frame, failureOf, kinds, messageFrame, writeFrame } from './frames.ts';
import type { CallMessage, Loaded, WorkerStatus } from './link.ts';
import { OnnxModel } from './onnx-model.ts';
import { type BodyFiles, type PayloadHeaders, payloadFrame, readBody } from './payload.ts';
import type { ProcessModel } from './process-model.ts';
import { ranFrame, readTensors, setTimings } from './tensor-frames.ts';
import { Window } from './window.ts';

export class WorkerCalls {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #nowMs: () => number;
  readonly #onLost: (why: string) => void;
  #model: OnnxModel | null = null;
  #process: ProcessModel | null = null;
  /** By call: how much of its reply may be sent. */
  readonly #windows = new Map<number, Window>();
  #freeAtMs = 0;

  /** `onLost` is told where the process of a model has ended, or does not answer: this worker is of no use any more. */
  constructor(socket: Socket, clock: Clock, onLost: (why: string) => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#nowMs = () => clock.nowMs();
    this.#onLost = onLost;
  }

  /** Has the process end by itself, if there is one. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** Throws where the frame is malformed; what the call itself does wrong goes back as a failure. */
  receive(frame: Frame): void {
    if (frame.kind === kinds.taken) return this.#windows.get(frame.call)?.taken(frame.message as { bytes?: number; stop?: boolean });
    const answering = frame.kind === kinds.run ? this.#run(frame) : frame.kind === kinds.invoke ? this.#invoke(frame) : this.#answer(frame);
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

  async #invoke(frame: Frame): Promise<void> {
    const model = this.#process;
    assert(model !== null, 'an invocation comes after the load of a process');
    const { call } = frame;
    const { headers, replyBytesMax, streams, files } = frame.message as InvokeMessage;
    const window = new Window((message, bytes) => writeFrame(this.#socket, payloadFrame(call, kinds.piece, message, bytes)));
    this.#windows.set(call, window);
    let startMs = 0;
    const begin = (): void => {
      startMs = this.#nowMs();
    };
    try {
      const options = { replyBytesMax, sink: streams ? window : null, signal: window.signal };
      const { body, ...head } = await model.invoke(
        { headers, body: readBody(frame), ...(files === undefined ? {} : { files }) },
        options,
        begin,
      );
      const timings = { inMs: 0, runMs: this.#nowMs() - startMs, outMs: 0 };
      writeFrame(this.#socket, payloadFrame(call, kinds.replied, { ...head, timings }, body));
    } finally {
      this.#windows.delete(call);
    }
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
        if (message.process !== undefined) {
          const { ProcessModel: Process } = await import('./process-model.ts');
          const print = (line: string) => void process.stdout.write(`${line}\n`);
          const around = { clock: this.#clock, threads: message.threads, print, onLost: this.#onLost };
          this.#process = await Process.start(message.path, message.process, around);
          if (message.name !== undefined) process.title = `penstock-worker ${message.name}`;
          return { signature: { inputs: [], outputs: [] }, loadMs: this.#nowMs() - startMs } satisfies Loaded;
        }
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
      case 'inspect-bundle': {
        const { inspectBundle } = await import('./process-bundle.ts');
        return inspectBundle(message.path, message.bytesMax);
      }
      case 'status':
        return { rssBytes: process.memoryUsage.rss(), pid: process.pid } satisfies WorkerStatus;
    }
  }
}

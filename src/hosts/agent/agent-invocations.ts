/**
 * Invocations of process models on a host. A streamed reply goes to the home piece by piece, with backpressure. A body in files arrives in
 * pieces too, and is written to a file of this host, so that neither machine holds it in memory.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';
import { asDiskError } from '../../data-directory/index.ts';
import { defined } from '../../defined.ts';
import { PlatformError } from '../../errors.ts';
import {
  type BodyFiles,
  type Frame,
  type InvokeResult,
  malformedFrame,
  type PayloadHeaders,
  payloadFrame,
  type ReplySink,
  readFrameBody,
  Window,
  WorkerLost,
} from '../../runtime/index.ts';
import type { HostChannel } from '../link/host-channel.ts';
import { hostKinds, jsonFrame } from '../link/host-frames.ts';
import { cutText, fieldsOf, listOf, numberOf } from '../link/reports.ts';
import { failureFrame } from './agent-failures.ts';
import type { AgentWorkers } from './agent-workers.ts';

/** Headers of a request. */
const headersMax = 1000;

/** A body of which pieces are missing. Pieces are written one after the other. */
interface IncomingBody {
  readonly path: string;
  readonly bytes: number;
  readonly channel: Pick<HostChannel, 'send'>;
  readonly whole: (files: BodyFiles) => void;
  readonly failed: (error: unknown) => void;
  file: Promise<FileHandle>;
  arrivedBytes: number;
  isOver: boolean;
}

interface InvokeMessage {
  readonly link: number;
  readonly headers: PayloadHeaders;
  readonly replyBytesMax: number;
  readonly streams: boolean;
  readonly ids: readonly string[];
  readonly deadlineMs: number | undefined;
  readonly fileBytes: number | undefined;
}

export class AgentInvocations {
  readonly #workers: Pick<AgentWorkers, 'byLink'>;
  readonly #nextPath: () => string;
  /** By call. */
  readonly #windows = new Map<number, Window>();
  readonly #bodies = new Map<number, IncomingBody>();

  /** `nextPath`: of a new file, for a body in files. */
  constructor(workers: Pick<AgentWorkers, 'byLink'>, nextPath: () => string) {
    this.#workers = workers;
    this.#nextPath = nextPath;
  }

  /** Throws if the frame is malformed. */
  invoke(frame: Frame, channel: Pick<HostChannel, 'send'>): void {
    const { call } = frame;
    const message = readInvoke(frame.message);
    const body = readFrameBody(frame);
    const window = new Window((head, bytes) => channel.send(call, payloadFrame(call, hostKinds.piece, { ...head }, bytes)));
    if (message.streams) this.#windows.set(call, window);
    this.#run(call, message, { body, window, channel })
      .then(
        ({ reply: { status, headers, isStreamed, body: answer }, timings }) =>
          channel.send(call, payloadFrame(call, hostKinds.replied, { status, headers, isStreamed, timings }, answer)),
        (error: unknown) => channel.send(call, failureFrame(call, error)),
      )
      .finally(() => this.#windows.delete(call));
  }

  /** The home has accepted pieces of a reply, or wants no more. */
  taken(call: number, message: unknown): void {
    const { bytes = 0, stop } = fieldsOf(message);
    this.#windows.get(call)?.consumed({ bytes: numberOf(bytes), stop: stop === true });
  }

  /** Pieces of a call that has failed already are ignored. Throws if there are more than announced. */
  bodyPiece(call: number, piece: Buffer, isAborted: boolean): void {
    const body = this.#bodies.get(call);
    if (body === undefined) return;
    body.arrivedBytes += piece.length;
    if (body.arrivedBytes > body.bytes) throw malformedFrame('a body has more bytes than its announcement says');
    const isLast = body.arrivedBytes === body.bytes;
    if (isLast || isAborted) this.#bodies.delete(call);
    body.file = body.file.then(async (file) => {
      await writeAll(file, piece);
      return file;
    });
    body.file.then(
      async (file) => {
        if (body.isOver) return;
        body.channel.send(call, jsonFrame(call, hostKinds.bodyTaken, { bytes: piece.length }));
        if (!isLast && !isAborted) return;
        body.isOver = true;
        await file.close();
        if (isAborted) body.failed(new PlatformError('unavailable', 'the home could not read the body of the request'));
        else body.whole({ paths: [body.path], bytes: body.bytes });
      },
      (error: unknown) => {
        this.#bodies.delete(call);
        if (body.isOver) return;
        body.isOver = true;
        body.failed(asDiskError(error, `write the body of a request to ${body.path}`));
      },
    );
  }

  /** The link has ended: replies have no receiver, and bodies will not be complete. */
  end(): void {
    for (const window of this.#windows.values()) window.consumed({ stop: true });
    for (const body of this.#bodies.values()) {
      if (body.isOver) continue;
      body.isOver = true;
      body.failed(new WorkerLost('the link to the home is lost'));
      void body.file.then((file) => file.close()).catch(() => undefined);
    }
    this.#bodies.clear();
    this.#windows.clear();
  }

  async #run(
    call: number,
    { link: number, headers, replyBytesMax, streams, ids, deadlineMs, fileBytes }: InvokeMessage,
    { body, window, channel }: { readonly body: Buffer; readonly window: Window; readonly channel: Pick<HostChannel, 'send'> },
  ): Promise<InvokeResult> {
    const sink = streams ? sinkOf(window) : null;
    const invoke = (files?: BodyFiles): Promise<InvokeResult> => {
      const worker = this.#workers.byLink(number);
      if (worker === undefined) throw new WorkerLost('its process has ended');
      return worker.link.invoke({ headers, body, ...defined({ files, deadlineMs }) }, replyBytesMax, sink, ids);
    };
    if (fileBytes === undefined) return invoke();
    const path = this.#nextPath();
    try {
      return await invoke(await this.#receive(call, path, { bytes: fileBytes, channel }));
    } finally {
      await rm(path, { force: true }).catch(() => undefined);
    }
  }

  #receive(
    call: number,
    path: string,
    { bytes, channel }: { readonly bytes: number; readonly channel: Pick<HostChannel, 'send'> },
  ): Promise<BodyFiles> {
    return new Promise((whole, failed) => {
      const file = open(path, 'wx', 0o600);
      file.catch(() => undefined); // reported with the first piece
      const body = { path, bytes, channel, whole, failed, file, arrivedBytes: 0, isOver: false };
      this.#bodies.set(call, body);
      if (bytes === 0) this.bodyPiece(call, Buffer.alloc(0), false);
    });
  }
}

function sinkOf(window: Window): ReplySink {
  return {
    begin: (head) => window.begin(head),
    piece: async (bytes) => {
      await window.piece(bytes);
      if (window.signal.aborted) throw new PlatformError('model_failed', 'the request ended before its reply was complete');
    },
  };
}

function readInvoke(message: unknown): InvokeMessage {
  const { link, headers, replyBytesMax, streams, ids, deadlineMs, fileBytes } = fieldsOf(message);
  const entries = Object.entries(fieldsOf(headers));
  if (entries.length > headersMax) throw malformedFrame(`it has ${entries.length} headers, expected at most ${headersMax}`);
  return {
    link: numberOf(link),
    headers: Object.fromEntries(entries.map(([name, value]) => [name, cutText(value, 1024 * 1024)])),
    replyBytesMax: numberOf(replyBytesMax),
    streams: streams === true,
    ids: listOf(ids, 4096).map((id) => cutText(id, 1000)),
    deadlineMs: deadlineMs === undefined ? undefined : numberOf(deadlineMs),
    fileBytes: fileBytes === undefined ? undefined : numberOf(fileBytes),
  };
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
}

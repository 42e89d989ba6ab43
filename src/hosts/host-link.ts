/** The home's end of one connection of a host: sends commands and runs, and takes what the agent reports. */
import { open } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { asPlatformError, PlatformError } from '../errors.ts';
import type { MeasuredLink } from '../links/index.ts';
import { type Frame, failureOf, kinds, malformedFrame, payloadFrame } from '../runtime/index.ts';
import type { SentArchive } from './agent/agent-link.ts';
import { HostCalls } from './host-calls.ts';
import { HostChannel } from './link/host-channel.ts';
import { hostKinds, jsonFrame } from './link/host-frames.ts';
import {
  cutText,
  fieldsOf,
  type HostExit,
  numberOf,
  readExit,
  readKeys,
  readLine,
  readReport,
  readUsage,
  readWarmWorkers,
  type WorkerReport,
  type WorkerUsage,
} from './link/reports.ts';

/** Of an object, in one answer. */
export const rangeBytes = 1024 * 1024;
/** Ranges that an agent reads at once: of four objects, four each. */
export const rangesMax = 16;
/** An agent makes one environment at a time, and may ask again over a new link. */
const archivesMax = 4;

/** What the home does with reports. Callbacks may throw if what is reported is malformed: the link ends. */
export interface HostLinkDeps {
  readonly clock: Clock;
  readonly epoch: number;
  readonly onReport: (report: WorkerReport) => void;
  /** All workers were reported: these, by their keys. */
  readonly onWorkers: (keys: ReadonlySet<string>) => void;
  readonly onUsage: (usage: readonly WorkerUsage[], warmWorkers: number) => void;
  readonly onExit: (key: string, exit: HostExit | null) => void;
  /** `ageMs`: since it was printed. */
  readonly onLine: (key: string, line: string, requestIds: readonly string[], ageMs: number) => void;
  /** The host stops after this time. */
  readonly onLeaving: (withinMs: number) => void;
  readonly onEnd: (why: string) => void;
  /** The path of an object that a worker of this host loads. Throws `forbidden` for others. */
  readonly fetch: (sha256: string) => Promise<string>;
  /** The archive of the environment of a worker of this host. Rejects with `forbidden` for others. */
  readonly archiveOf: (lock: string) => Promise<SentArchive>;
}

/** The longest notice of a host that stops. */
const leavingMsMax = 3_600_000;

export class HostLink {
  readonly calls: HostCalls;
  readonly #deps: HostLinkDeps;
  readonly #channel: HostChannel;
  #ranges = 0;
  #archives = 0;

  /** `socket`: connected, introduced and paused. */
  constructor(socket: Duplex, deps: HostLinkDeps) {
    this.#deps = deps;
    this.#channel = new HostChannel(socket, {
      clock: deps.clock,
      measures: true,
      onFrame: (frame) => this.#take(frame),
      onEnd: (why) => {
        this.calls.end(why);
        deps.onEnd(why);
      },
    });
    this.calls = new HostCalls(this.#channel);
    this.#channel.send(0, jsonFrame(0, hostKinds.welcome, { epoch: deps.epoch, claims: true }));
  }

  /** Since the last byte of the agent. */
  get silentMs(): number {
    return this.#channel.silentMs;
  }

  /** Its round trips; null before the first one. */
  get measured(): MeasuredLink | null {
    return this.#channel.measured;
  }

  /** Resolves when the agent has done it. Rejects with its error, and with `WorkerLost` if the link ends. */
  command(message: object): Promise<unknown> {
    return this.calls.command({ ...message, epoch: this.#deps.epoch });
  }

  /** The agent stops for good. */
  dismiss(reason: string): void {
    this.#channel.send(0, jsonFrame(0, hostKinds.farewell, { reason }));
  }

  close(why: string): void {
    this.#channel.end(why);
  }

  #take(frame: Frame): void {
    const { kind, message } = frame;
    const deps = this.#deps;
    switch (kind) {
      case kinds.ran:
      case hostKinds.done:
      case hostKinds.refused:
      case hostKinds.gone:
      case hostKinds.replied:
      case hostKinds.piece:
      case hostKinds.bodyTaken:
        return this.calls.take(frame);
      case hostKinds.report:
        return deps.onReport(readReport(message));
      case hostKinds.workers:
        return deps.onWorkers(readKeys(message));
      case hostKinds.usage:
        return deps.onUsage(readUsage(message), readWarmWorkers(message));
      case hostKinds.exit: {
        const { key, exit } = readExit(message);
        return deps.onExit(key, exit);
      }
      case hostKinds.line: {
        const { key, line, requestIds, ageMs } = readLine(message);
        return deps.onLine(key, line, requestIds, ageMs);
      }
      case hostKinds.leaving:
        return deps.onLeaving(numberOf(fieldsOf(message)['withinMs'], leavingMsMax));
      case hostKinds.fetch:
        return this.#sendRange(frame);
      case hostKinds.environment:
        return this.#sendArchive(frame);
      default:
        throw malformedFrame(`the home expects no frame of kind ${kind} from a host`);
    }
  }

  #sendArchive({ call, message }: Frame): void {
    const lock = cutText(fieldsOf(message)['lock'], 64);
    if (++this.#archives > archivesMax) throw malformedFrame(`it asks for more than ${archivesMax} environments at once`);
    this.#deps
      .archiveOf(lock)
      .then(
        ({ sha256, bytes, root, version, platform }) =>
          this.#channel.send(call, jsonFrame(call, hostKinds.archive, { sha256, bytes, root, version, platform })),
        (error: unknown) => this.#channel.send(call, jsonFrame(call, hostKinds.notFetched, failureOf(asPlatformError(error)))),
      )
      .finally(() => this.#archives--);
  }

  /** Bounds how much an agent reads at once: more requests than it is known to send end the link. */
  #sendRange({ call, message }: Frame): void {
    const { sha256, start } = fieldsOf(message);
    const address = cutText(sha256, 64);
    const at = numberOf(start);
    if (++this.#ranges > rangesMax) throw malformedFrame(`it reads more than ${rangesMax} ranges at once`);
    readRange(() => this.#deps.fetch(address), at)
      .then(
        ({ size, bytes }) => this.#channel.send(call, payloadFrame(call, hostKinds.fetched, { size }, bytes)),
        (error: unknown) => this.#channel.send(call, jsonFrame(call, hostKinds.notFetched, failureOf(asPlatformError(error)))),
      )
      .finally(() => this.#ranges--);
  }
}

async function readRange(fetch: () => Promise<string>, start: number): Promise<{ readonly size: number; readonly bytes: Buffer }> {
  const file = await open(await fetch(), 'r');
  try {
    const { size } = await file.stat();
    if (start > size) throw new PlatformError('invalid_request', `the object has ${size} bytes, so none at ${start}`);
    const bytes = Buffer.allocUnsafeSlow(Math.min(rangeBytes, size - start));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    return { size, bytes: bytes.subarray(0, bytesRead) };
  } finally {
    await file.close();
  }
}

/** Ranges of objects on a link: read from a file, and sent, a limited number at once. */
import { open } from 'node:fs/promises';
import { asPlatformError, PlatformError } from '../../errors.ts';
import { type Frame, failureOf, malformedFrame, payloadFrame } from '../../runtime/index.ts';
import { type HostChannel, partBytesMax } from './host-channel.ts';
import { hostKinds, jsonFrame } from './host-frames.ts';
import { cutText, fieldsOf, numberOf } from './reports.ts';

/** Of an object, in one answer. */
export const rangeBytes = 1024 * 1024;

/** A range of an object. */
export interface ObjectRange {
  /** Of the whole object. */
  readonly size: number;
  readonly bytes: Buffer;
}

/** A range that is to be sent. */
export interface ReadRange extends ObjectRange {
  /** Called once it is sent, or is not to be. */
  readonly release?: () => void;
}

/** Throws `invalid_request` for a start behind the end, and errors of the file system. */
export async function readFileRange(path: string, start: number): Promise<ObjectRange> {
  const file = await open(path, 'r');
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

interface RangeAnswersDeps {
  readonly channel: Pick<HostChannel, 'send'>;
  /** Requested and not sent yet: more end the link. */
  readonly openMax: number;
  /** Rejects with `forbidden` for objects that the other side must not read. */
  readonly read: (sha256: string, start: number) => Promise<ReadRange>;
}

/** Answers the requests for ranges of one link. A range counts until it is written, so that a side that does not read is bounded. */
export class RangeAnswers {
  readonly #deps: RangeAnswersDeps;
  readonly #open = new Set<() => void>();
  #count = 0;
  #hasEnded = false;

  constructor(deps: RangeAnswersDeps) {
    this.#deps = deps;
  }

  get openCount(): number {
    return this.#count;
  }

  /** Throws if the request is malformed, or one too many. */
  take({ call, message }: Frame): void {
    const { channel, openMax, read } = this.#deps;
    const { sha256, start } = fieldsOf(message);
    const [address, at] = [cutText(sha256, 64), numberOf(start)];
    if (++this.#count > openMax) throw malformedFrame(`it reads more than ${openMax} ranges at once`);
    read(address, at).then(
      (range) => this.#send(call, range),
      (error: unknown) => {
        this.#count--;
        channel.send(call, jsonFrame(call, hostKinds.notFetched, failureOf(asPlatformError(error))));
      },
    );
  }

  /** The link has ended: nothing more is sent. */
  end(): void {
    this.#hasEnded = true;
    for (const release of this.#open) release();
  }

  #send(call: number, { size, bytes, release }: ReadRange): void {
    const sent = (): void => {
      if (!this.#open.delete(sent)) return;
      this.#count--;
      release?.();
    };
    this.#open.add(sent);
    if (this.#hasEnded) return sent();
    // A smaller frame is sent whole: its memory is given away at once.
    this.#deps.channel.send(call, payloadFrame(call, hostKinds.fetched, { size }, bytes), sent);
    if (bytes.length < partBytesMax) sent();
  }
}

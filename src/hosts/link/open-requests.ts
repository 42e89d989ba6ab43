/** Requests of an agent over a link, numbered, each settled once. */
import { type ErrorCode, PlatformError } from '../../errors.ts';
import { errorOf, type Frame, malformedFrame, readFrameBody, type WireFailure, WorkerLost } from '../../runtime/index.ts';
import type { HostChannel } from './host-channel.ts';
import { hostKinds, jsonFrame } from './host-frames.ts';
import type { ObjectRange } from './object-ranges.ts';
import { fieldsOf, numberOf } from './reports.ts';

/** Of objects that cannot be read. A worker cannot send these, so `errorOf` does not pass them on. */
const objectCodes: readonly ErrorCode[] = ['forbidden', 'not_found', 'overloaded'];
/** Calls of a home have smaller numbers. */
const numberMin = 2 ** 31;

interface OpenRequest {
  /** Throws if the answer is malformed: the link ends. */
  readonly answered: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

export class OpenRequests {
  readonly #send: HostChannel['send'];
  readonly #open = new Map<number, OpenRequest>();
  #last = 0;
  #endedBecause: string | null = null;

  constructor(send: HostChannel['send']) {
    this.#send = send;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Resolves with what `read` makes of the answer. Rejects with the reason of the other side, and with `WorkerLost` if the link ends. */
  request<T>(kind: number, message: object, answerKind: number, read: (answer: Frame) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#endedBecause !== null) return reject(new WorkerLost(this.#endedBecause));
      this.#last = (this.#last + 1) % numberMin;
      const call = numberMin + this.#last;
      const answered = (answer: Frame): void => {
        if (answer.kind !== answerKind) throw malformedFrame(`the answer to a request of kind ${kind} has another kind`);
        resolve(read(answer));
      };
      this.#open.set(call, { answered, reject });
      this.#send(call, jsonFrame(call, kind, message));
    });
  }

  range(sha256: string, start: number): Promise<ObjectRange> {
    return this.request(hostKinds.fetch, { sha256, start }, hostKinds.fetched, (frame) => ({
      size: numberOf(fieldsOf(frame.message)['size']),
      bytes: readFrameBody(frame),
    }));
  }

  /** Takes an answer. Throws if it is malformed. */
  take(frame: Frame): void {
    const request = this.#open.get(frame.call);
    if (request === undefined) throw malformedFrame(`it answers request ${frame.call}, which is not open`);
    if (frame.kind !== hostKinds.notFetched) request.answered(frame);
    else request.reject(objectError(frame.message as WireFailure));
    this.#open.delete(frame.call);
  }

  /** Rejects all. Later ones are rejected at once. */
  end(why: string): void {
    this.#endedBecause = why;
    for (const { reject } of this.#open.values()) reject(new WorkerLost(why));
    this.#open.clear();
  }
}

function objectError(failure: WireFailure): PlatformError {
  const error = errorOf(failure);
  return objectCodes.includes(failure.code) ? new PlatformError(failure.code, error.message) : error;
}

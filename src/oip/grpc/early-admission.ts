/**
 * Admission of inference calls when their headers arrive, before their message: a caller without permission cannot make the server
 * read one. Messages of all other methods are small.
 */
import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import type { Caller } from '../../access/index.ts';
import type { CallingRequest } from '../../http/index.ts';
import type { OipDeps } from '../deps.ts';
import { admit, type CallHead, headOf } from './admission.ts';
import { grpcActions } from './grpc-actions.ts';
import { limitMessages, type MessageArrival, MessageArrivals, type ReceivingCall } from './message-arrivals.ts';
import { grpcErrorOf } from './status.ts';

/** An inference call whose caller is authorized. */
export interface AdmittedCall {
  readonly head: CallHead;
  readonly caller: Caller;
}

/**
 * Limit of all methods except inference: their messages contain names and load parameters. They are decoded on the event loop,
 * some without authentication.
 */
const controlBytesMax = 64 * 1024;

/** What admission needs of the server. */
export interface EarlyAdmissionOptions {
  readonly services: OipDeps;
  /** Connections by client address and port. */
  readonly sockets: ReadonlyMap<string, CallingRequest['socket']>;
  readonly logRejected: (head: CallHead, thrown: unknown) => void;
}

/** Remembers what it admitted until the handler of the call takes it over. */
export class EarlyAdmission {
  readonly #options: EarlyAdmissionOptions;
  readonly #arrivals: MessageArrivals;
  readonly #paths: ReadonlySet<string>;
  readonly #admitted = new WeakMap<Metadata, AdmittedCall>();

  constructor(options: EarlyAdmissionOptions, inferencePaths: readonly string[]) {
    this.#options = options;
    const { clock, listener } = options.services;
    this.#arrivals = new MessageArrivals({ budget: listener.bodies.budget, clock, timeoutMs: listener.limits.requestTimeoutMs });
    this.#paths = new Set(inferencePaths);
  }

  /** The admission of a call that a handler got. */
  of({ metadata }: { readonly metadata: Metadata }): AdmittedCall {
    const admitted = this.#admitted.get(metadata);
    if (admitted === undefined) throw new Error('an inference call was not admitted');
    return admitted;
  }

  /** Runs for each call when its headers have arrived. */
  readonly intercept: ServerInterceptor = ({ path, requestStream }, intercepted) => {
    const call = intercepted as ReceivingCall;
    if (!this.#paths.has(path)) {
      limitMessages(call, controlBytesMax);
      return new ServerInterceptingCall(call);
    }
    let arrival: MessageArrival | null = null;
    let end = (): void => {};
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            const head = headOf(
              { metadata, path, host: call.getHost(), peer: call.getPeer(), deadline: call.getDeadline() },
              this.#options.sockets,
            );
            const fail = (thrown: unknown): void => {
              this.#options.logRejected(head, thrown);
              call.sendStatus(grpcErrorOf(thrown, head.requestId));
              // The rest of the message is not read.
              call.stream.close();
            };
            try {
              const caller = admit(this.#options.services, head, grpcActions.ModelInfer);
              end = caller.limiter?.begin() ?? end;
              this.#admitted.set(metadata, { head, caller });
            } catch (thrown) {
              fail(thrown);
              return;
            }
            arrival = this.#arrivals.begin(call, fail);
            pass(metadata);
          },
          onReceiveMessage: (message: Buffer, pass) => {
            if (requestStream) arrival?.handedOver();
            else arrival?.completed(message.length);
            pass(message);
          },
          onReceiveHalfClose: (pass) => {
            arrival?.handedOver();
            pass();
          },
          onCancel: () => {
            arrival?.end();
            end();
          },
        }),
    });
  };
}

/** Runs requests on a worker that has a process: one at a time, bytes in and bytes out. */
import assert from 'node:assert/strict';
import { PlatformError } from '../errors.ts';
import type { Invoked, ReplySink, WorkerLink } from '../runtime/index.ts';
import { runWhenAlive } from './link-runner.ts';
import { ModelError } from './model-error.ts';
import type { PendingRequest } from './request.ts';
import type { RunAnswer, RunRequests } from './run-requests.ts';

/** `model` is its name, `digits/3`; a reply that is taken whole has at most so many bytes. */
export function processRunner(link: Pick<WorkerLink, 'invoke' | 'status'>, model: string, replyBytesMax: number): RunRequests {
  return (requests, done) => {
    const [request, ...others] = requests;
    assert(request !== undefined && others.length === 0, 'a process is asked one request at a time');
    const { raw } = request.call;
    const run = (): Promise<Invoked> => {
      if (raw === undefined)
        return Promise.reject(new PlatformError('unsupported', `${model} is a process: it takes raw bytes, and tensors came`));
      return link.invoke(raw.payload, replyBytesMax, raw.sink === null ? null : guarded(raw.sink, request));
    };
    const answer = ({ reply, timings }: Invoked): RunAnswer => {
      if (reply.status < 200 || reply.status >= 300) return { kind: 'failed', error: new ModelError(model, reply) };
      return { kind: 'done', outputs: [[]], timings, reply };
    };
    runWhenAlive(link, requests, run, answer, done);
  };
}

/** Nothing more goes to who was answered otherwise meanwhile, and the process need not go on for it. */
function guarded(sink: ReplySink, request: PendingRequest): ReplySink {
  const settled = new Promise<void>((resolve) => {
    request.onSettled = resolve;
  });
  const check = (): void => {
    if (request.state === 'settled') throw new PlatformError('model_failed', 'nobody waits for the rest of the reply any more');
  };
  return {
    begin(head) {
      check();
      request.hasReplyBegun = true;
      sink.begin(head);
    },
    piece(bytes) {
      check();
      const taken = sink.piece(bytes);
      return taken === undefined ? undefined : Promise.race([taken, settled]); // a client that stalls stops it at its timeout
    },
  };
}

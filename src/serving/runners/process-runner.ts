/** Runs requests on a worker with a process model: one at a time, bytes in and bytes out. */
import assert from 'node:assert/strict';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import type { InvokeResult, ReplySink, ServingLink } from '../../runtime/index.ts';
import type { PendingRequest } from '../request.ts';
import { runWhenAlive } from './link-runner.ts';
import { ModelError } from './model-error.ts';
import type { BatchRunResult, RunRequests } from './run-requests.ts';

/**
 * Returns a runner for a worker. `model` is its name for messages, for example `digits/3`. `replyBytesMax` limits replies that are
 * read completely.
 */
export function processRunner(
  link: Pick<ServingLink, 'invoke' | 'status'>,
  model: string,
  replyBytesMax: number,
  clock: Pick<Clock, 'nowMs'>,
): RunRequests {
  return (requests, done) => {
    const [request, ...others] = requests;
    assert(request !== undefined && others.length === 0, 'a process runs one request at a time');
    const { raw } = request.call;
    const run = (): Promise<InvokeResult> => {
      if (raw === undefined)
        return Promise.reject(new PlatformError('unsupported', `${model} is a process: expected raw bytes, got tensors`));
      const payload = { ...raw.payload, deadlineMs: Math.max(0, request.timeoutAtMs - clock.nowMs()) };
      return link.invoke(payload, replyBytesMax, raw.sink === null ? null : guarded(raw.sink, request), [request.call.requestId]);
    };
    const answer = ({ reply, timings }: InvokeResult): BatchRunResult => {
      if (reply.status < 200 || reply.status >= 300) return { kind: 'failed', error: new ModelError(model, reply) };
      return { kind: 'done', outputs: [[]], timings, reply };
    };
    runWhenAlive(link, requests, run, answer, done);
  };
}

/** Wraps a sink so that it sends nothing more after its request was settled (by its timeout, for example). It then stops the process. */
function guarded(sink: ReplySink, request: PendingRequest): ReplySink {
  const settled = new Promise<void>((resolve) => {
    request.onSettled = resolve;
  });
  const check = (): void => {
    if (request.state === 'settled') throw new PlatformError('model_failed', 'the request ended before its reply was complete');
  };
  return {
    begin(head) {
      check();
      request.hasReplyStarted = true;
      sink.begin(head);
    },
    piece(bytes) {
      check();
      const taken = sink.piece(bytes);
      return taken === undefined ? undefined : Promise.race([taken, settled]); // a stalled client blocks only until its timeout
    },
  };
}

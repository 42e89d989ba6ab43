/** A reply of a process model whose status is not a success. The client receives it unchanged. */
import { PlatformError } from '../../errors.ts';
import type { ProcessReply } from '../../runtime/index.ts';

const shownMax = 300;

/** A class of its own, because adapters pass the model's status and body on. */
export class ModelError extends PlatformError {
  /** The reply, with at most the first 64 KiB of its body. */
  readonly reply: ProcessReply;

  constructor(model: string, reply: ProcessReply) {
    const text = reply.body.toString('utf8', 0, shownMax).trim();
    super('model_failed', `${model} answered with status ${reply.status}${text === '' ? '' : `: ${text}`}`);
    this.name = 'ModelError';
    this.reply = reply;
  }
}

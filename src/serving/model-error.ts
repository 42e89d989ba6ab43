/** What a process answered where it did not answer with success: the caller gets it as it is. */
import { PlatformError } from '../errors.ts';
import type { Reply } from '../runtime/index.ts';

const shownMax = 300;

export class ModelError extends PlatformError {
  /** Its status is none of success; of its body the first 64 KiB. */
  readonly reply: Reply;

  constructor(model: string, reply: Reply) {
    const text = reply.body.toString('utf8', 0, shownMax).trim();
    super('model_failed', `${model} answered with status ${reply.status}${text === '' ? '' : `: ${text}`}`);
    this.name = 'ModelError';
    this.reply = reply;
  }
}

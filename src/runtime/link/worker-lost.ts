/**
 * The process of the worker ended, or its socket broke, while this call was open. Inference has no side effects, so the call can be retried
 * elsewhere.
 */
export class WorkerLost extends Error {
  constructor(why: string) {
    super(`the worker is gone: ${why}`);
    this.name = 'WorkerGone';
  }
}

/**
 * Preloaded into servers and hosts (`node --import`), this makes each run of a worker take SLEEP_MS longer, one run after the other, as a
 * model of one thread does that uses no processor. So the rate of a cluster of many hosts can be measured on a machine with few cores.
 */
import type { WorkerLink as Link } from '../../src/runtime/index.ts';

type Run = (this: Link, ...sent: Parameters<Link['run']>) => ReturnType<Link['run']>;

const { WorkerLink } = await import('../../src/runtime/link/link.ts');
const sleepMs = Number(process.env.SLEEP_MS);
const run: Run = Reflect.get(WorkerLink.prototype, 'run');
/** The last run of each worker. */
const last = new WeakMap<Link, Promise<unknown>>();

WorkerLink.prototype.run = function (this: Link, ...sent): ReturnType<Run> {
  const slept = (last.get(this) ?? Promise.resolve()).then(async () => {
    const result = await run.apply(this, sent);
    await new Promise((resolve) => setTimeout(resolve, sleepMs));
    return result;
  });
  last.set(
    this,
    slept.catch(() => undefined),
  );
  return slept;
};

import type { VersionBody } from '../../api/index.ts';

/** Whether requests are bytes that the model reads itself: a process, or a Python function of bytes or that yields. */
export function takesBytes({ runtime }: Pick<VersionBody, 'runtime'>): boolean {
  return runtime.kind === 'process' || (runtime.kind === 'python' && (runtime.form === 'bytes' || runtime.form === 'stream'));
}

/** Recognises AWS instance types with an accelerator. */

const accelerated = /^(?:ml\.)?(?:g\d|p\d|dl\d|inf\d|trn\d)/;

/** Whether an AWS instance type (with or without `ml.`) has a GPU or another accelerator. */
export function isAccelerated(type: string): boolean {
  return accelerated.test(type);
}

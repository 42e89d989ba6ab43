/** Which types of AWS have an accelerator. Pure. */

const accelerated = /^(?:ml\.)?(?:g\d|p\d|dl\d|inf\d|trn\d)/;

/** Whether AWS's type of that name, with or without `ml.`, has a GPU or another accelerator. */
export function isAccelerated(type: string): boolean {
  return accelerated.test(type);
}

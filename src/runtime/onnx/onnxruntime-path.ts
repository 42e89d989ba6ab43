/** Finds onnxruntime, which is in different places in a checkout and in the published package. */
import { createRequire } from 'node:module';

/**
 * The main file of onnxruntime for Node, as installed for the code at `from`; null if it is not. The published package has it from the
 * runtime package of its platform, which also brings Node; a checkout has onnxruntime-node, which holds the libraries of all platforms.
 */
export function onnxruntimePath(from: string = import.meta.url): string | null {
  const { resolve } = createRequire(from);
  for (const name of [`@penstock/runtime-${process.platform}-${process.arch}/onnxruntime`, 'onnxruntime-node']) {
    try {
      return resolve(name);
    } catch {
      // The next one, if any.
    }
  }
  return null;
}

/** What to say if `onnxruntimePath` is null. */
export const missingOnnxruntime = {
  found: `onnxruntime is not installed: expected the package @penstock/runtime-${process.platform}-${process.arch} or onnxruntime-node`,
  advice: 'install Penstock again without --omit=optional, or run npm install --ignore-scripts onnxruntime-node@1.30.0 beside it',
};

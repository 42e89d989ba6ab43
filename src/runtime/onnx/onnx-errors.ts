/** Classifies onnxruntime's errors, which are plain text without a code, by cause. */
import { messageOf, PlatformError } from '../../errors.ts';

/** The inputs did not fit the model or its data (an index, a shape). Other inputs may work. */
const inputFaults: readonly RegExp[] = [
  /INVALID_ARGUMENT/,
  /Invalid rank for input/i,
  /invalid dimensions for input/i,
  /Unexpected input data type/i,
  /missing in 'feeds'/,
  /out of (data )?bounds/i,
  /out of range/i,
  /index.*(must be|not) within/i,
  /attempting to broadcast/i,
  /incompatible dimensions|dimension(s)? mismatch|dimensions? (do|does) not match/i,
  /input_shape_size == size|cannot be reshaped/i,
  /not enough space: expected/,
];

const memoryFaults =
  /failed to allocate|bad_alloc|bad allocation|out of memory|bfcarena|AllocateRawInternal|array buffer allocation failed/i;

/** Classifies the error of a run. The worker and its session remain usable. */
export function runError(error: unknown): PlatformError {
  const text = cleanMessage(messageOf(error));
  if (memoryFaults.test(text)) return new PlatformError('model_failed', `the model exceeded its memory limit: ${text}`);
  if (inputFaults.some((fault) => fault.test(text))) return new PlatformError('invalid_request', `the model rejected its input: ${text}`);
  return new PlatformError('model_failed', `the model failed: ${text}`);
}

/** Classifies the error of a load. */
export function loadError(error: unknown): PlatformError {
  const text = cleanMessage(messageOf(error));
  if (memoryFaults.test(text)) return new PlatformError('model_failed', `loading the model needs more memory than its limit: ${text}`);
  if (/is not a registered function\/op|No Op registered for|could not find an implementation|NOT_IMPLEMENTED/i.test(text)) {
    return new PlatformError('unsupported', `the model uses an operator that onnxruntime does not have: ${text}`);
  }
  if (/Unsupported model IR version|opset .* is under development|only \*?guarantees\*? support|Unsupported data type/i.test(text)) {
    return new PlatformError('unsupported', `this onnxruntime does not support the model: ${text}. Export it with an older opset`);
  }
  return new PlatformError('invalid_request', `failed to load the model: ${text}`);
}

/** The message on one line, without colours, source paths of the build machine, and the prefix that every message has. */
export function cleanMessage(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex
      .replace(/\u001b\[[0-9;]*m/g, '')
      .replace(/\s+/g, ' ')
      .replace(/^.*Status Message: /, '')
      .replace(/\/\S*onnxruntime\S*\.(?:cc|h):\d+\s+(?:[^:]*?\([^)]*\)(?: \[[^\]]*\])?\s*)?/g, '')
      .replace(/(?:[\w*&]+ )?onnxruntime::[\w:~]+\([^)]*\)\s*/g, '')
      .replace(/Load model from .* failed:\s*/, '')
      .replace(/ Please fix either the inputs\/outputs or the model\.$/, '')
      .replace(/^(?:Error: )?(?:\[ONNXRuntimeError\] : \d+ : \w+ : )?/, '')
      .trim()
      .slice(0, 600)
  );
}

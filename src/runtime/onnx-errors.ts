/** onnxruntime's errors are plain text without a code. Here they become ours, by whose fault it is. */
import { messageOf, PlatformError } from '../errors.ts';

/** The inputs did not fit the model, or led it beyond its data (an index, a shape): another input may well work. */
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

/** What a failed run means. The worker and its session stay usable. */
export function runError(error: unknown): PlatformError {
  const text = plainText(messageOf(error));
  if (memoryFaults.test(text)) return new PlatformError('model_failed', `the model needed more memory than it may use: ${text}`);
  if (inputFaults.some((fault) => fault.test(text))) return new PlatformError('invalid_request', `the model refused its input: ${text}`);
  return new PlatformError('model_failed', `the model failed: ${text}`);
}

/** What a failed load means. */
export function loadError(error: unknown): PlatformError {
  const text = plainText(messageOf(error));
  if (memoryFaults.test(text)) return new PlatformError('model_failed', `the model needs more memory to load than it may use: ${text}`);
  if (/is not a registered function\/op|No Op registered for|could not find an implementation|NOT_IMPLEMENTED/i.test(text)) {
    return new PlatformError('unsupported', `the model uses an operator that onnxruntime does not have: ${text}`);
  }
  if (/Unsupported model IR version|opset .* is under development|only \*?guarantees\*? support|Unsupported data type/i.test(text)) {
    return new PlatformError(
      'unsupported',
      `the model is of a kind that this onnxruntime does not know: ${text}; export it with an older opset`,
    );
  }
  return new PlatformError('invalid_request', `the model does not load: ${text}`);
}

/** One line, without colours, the build machine's source paths, and the words that every message starts with. */
export function plainText(text: string): string {
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

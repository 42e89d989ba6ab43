/** What a file's name and somebody's number come to. Pure. */

/** `digits_mlp.v2.onnx` -> `digits-mlp-v2`: a name as groups may have it. */
export function groupOf(fileName: string): string {
  const stem = fileName.replace(/\.[^.]*$/, '');
  return stem
    .replace(/[^a-zA-Z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
}

/** As registration takes metrics; nothing where nothing was said. */
export function metricsOf(accuracy: number | null): string | undefined {
  return accuracy === null ? undefined : JSON.stringify({ accuracy });
}

/** Labels as they are posted. Pure. */
import { PlatformError } from '../../errors.ts';
import type { Label } from './score.ts';

export interface LabelGiven {
  readonly inferenceId: string;
  /** One a row. */
  readonly labels: readonly Label[];
}

const namedMax = 20;

/** A JSON object a line. Throws `invalid_request` with the line. */
export function readLabels(text: string, linesMax: number): LabelGiven[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0 || lines.length > linesMax) {
    throw new PlatformError(
      'invalid_request',
      `expected 1 to ${linesMax} lines of {"inference_id": ..., "label": ...}, got ${lines.length}`,
    );
  }
  return lines.map((line, i) => {
    const given = parsed(line);
    const { inference_id: id, label } = given ?? {};
    const labels = Array.isArray(label) ? label : [label];
    const isLabel = (each: unknown): each is Label => ['number', 'string', 'boolean'].includes(typeof each);
    if (typeof id !== 'string' || id === '' || labels.length === 0 || !labels.every(isLabel)) {
      throw new PlatformError(
        'invalid_request',
        `line ${i + 1}: expected {"inference_id": "...", "label": a number, a text, or a list of one a row}, got ${line.slice(0, 80)}`,
      );
    }
    return { inferenceId: id, labels };
  });
}

function parsed(line: string): { readonly inference_id?: unknown; readonly label?: unknown } | null {
  try {
    return JSON.parse(line) as { readonly inference_id?: unknown; readonly label?: unknown } | null;
  } catch {
    return null;
  }
}

/** A few of many names. */
export function someOf(names: readonly string[]): readonly string[] {
  return names.slice(0, namedMax);
}

/** Splits rows into the requests of a load, one row per request, as a client would send them. */
import { parseCsv } from '../../codecs/index.ts';
import { CliError } from '../cli-error.ts';

export interface LoadBodies {
  readonly contentType: string;
  /** At most the first 10,000 rows. */
  readonly bodies: readonly string[];
  readonly rowsCount: number;
}

const bodiesMax = 10_000;

/** CSV becomes a request for each line, each with the header if there is one. JSON becomes a request for each instance, or one request. */
export function bodiesOf(text: string, contentType: string): LoadBodies {
  const bodies = contentType === 'text/csv' ? csvBodies(text) : contentType === 'application/json' ? jsonBodies(text) : null;
  if (bodies === null) throw new CliError(`unsupported format of the rows: expected CSV or JSON, got ${contentType}`, 2);
  if (bodies.length === 0) throw new CliError('there are no rows to send: expected at least one CSV line or one instance', 2);
  return { contentType, bodies: bodies.slice(0, bodiesMax), rowsCount: bodies.length };
}

function csvBodies(text: string): string[] {
  const lines = parseCsv(text).map((cells) => `${cells.map(cellText).join(',')}\n`);
  const [first = ''] = lines;
  const hasHeader = lines.length > 1 && parseCsv(first)[0]?.some((cell) => Number.isNaN(Number(cell))) === true;
  return hasHeader ? lines.slice(1).map((line) => first + line) : lines;
}

function cellText(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function jsonBodies(text: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CliError('the file is not valid JSON: expected instances or tensors', 2, { cause });
  }
  const instances = Array.isArray(value) ? value : (value as { instances?: unknown } | null)?.instances;
  return Array.isArray(instances) ? instances.map((instance: unknown) => JSON.stringify({ instances: [instance] })) : [text];
}

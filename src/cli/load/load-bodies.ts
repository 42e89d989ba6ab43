/** The requests of a load out of rows: one row a request, as somebody's program would send them. */
import { parseCsv } from '../../codecs/index.ts';
import { Failure } from '../failure.ts';

export interface LoadBodies {
  readonly contentType: string;
  /** At most 10,000, however many rows there are. */
  readonly bodies: readonly string[];
  readonly rowsCount: number;
}

const bodiesMax = 10_000;

/** A CSV gives a request for each line, under its header where it has one; JSON one for each instance, or the one that it is. */
export function bodiesOf(text: string, contentType: string): LoadBodies {
  const bodies = contentType === 'text/csv' ? csvBodies(text) : contentType === 'application/json' ? jsonBodies(text) : null;
  if (bodies === null) throw new Failure(`rows for a load are CSV or JSON, not ${contentType}`, 2);
  if (bodies.length === 0) throw new Failure('there are no rows to send: expected at least one line of CSV, or one instance', 2);
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
    throw new Failure('the file is no JSON', 2, { cause });
  }
  const instances = Array.isArray(value) ? value : (value as { instances?: unknown } | null)?.instances;
  return Array.isArray(instances) ? instances.map((instance: unknown) => JSON.stringify({ instances: [instance] })) : [text];
}

/** Collects the lines of Python tracebacks in a log: a worker writes one line of the log for each. Pure functions. */

export interface WorkerLine {
  readonly atMs: number | null;
  /** The worker. */
  readonly stream: string;
  readonly text: string;
  /** The requests that it was printed for: `request r1`; empty if it was not printed for any. */
  readonly requests: string;
}

export interface LogEntry {
  readonly atMs: number | null;
  /** The line, or the exception at the end of a traceback. */
  readonly text: string;
  readonly requests: string;
  /** All lines of a traceback; null for another line. */
  readonly traceback: readonly string[] | null;
}

const start = /^Traceback \(most recent call last\):$/;
const link = /^(?:The above exception was the direct cause|During handling of the above exception)/;

interface Open {
  readonly atMs: number | null;
  readonly requests: string;
  readonly lines: string[];
  /** The exception of the last part was read: another part may follow. */
  isComplete: boolean;
}

/** In the order of the lines; a traceback stands at its first line. Lines of several workers may be mixed. */
export function groupTracebacks(lines: readonly WorkerLine[]): LogEntry[] {
  const found: (LogEntry | Open)[] = [];
  const open = new Map<string, Open>();
  for (const { atMs, stream, text, requests } of lines) {
    const current = open.get(stream);
    if (current !== undefined && continues(current, text)) {
      current.lines.push(text);
      current.isComplete = !start.test(text) && !link.test(text) && !/^\s|^$/.test(text);
      continue;
    }
    open.delete(stream);
    if (start.test(text)) {
      const begun: Open = { atMs, requests, lines: [text], isComplete: false };
      open.set(stream, begun);
      found.push(begun);
    } else found.push({ atMs, text, requests, traceback: null });
  }
  return found.map((each) => {
    if (!('lines' in each)) return each;
    const { atMs, requests, lines: traceback } = each;
    return { atMs, text: exceptionOf(traceback), requests, traceback };
  });
}

/** Takes `(request ID)` off the end of a line, where the server names the requests that it was printed for. */
export function lineParts(line: string): Pick<WorkerLine, 'text' | 'requests'> {
  const [, text = line, requests = ''] = /^(.*) \((requests? [^()]+)\)$/s.exec(line) ?? [];
  return { text, requests };
}

/** Until its exception, everything belongs to it; after that only what links it to another one. */
function continues({ isComplete, lines }: Open, text: string): boolean {
  if (!isComplete) return !start.test(text) || link.test(lines.at(-1) ?? '');
  return link.test(text);
}

/** The last line that is not indented: `ValueError: no text`. */
function exceptionOf(lines: readonly string[]): string {
  return lines.findLast((line) => !/^\s|^$/.test(line)) ?? '';
}

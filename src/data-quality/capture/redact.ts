/** Redacts values in bodies. A body that cannot be parsed is redacted as a whole. Pure. */

/** Replaces redacted values and bodies. */
export const redacted = '[redacted]';

/** The text of a JSON body, or of JSON lines. */
export function redactJson(text: string, names: ReadonlySet<string>): string {
  try {
    return JSON.stringify(without(JSON.parse(text) as unknown, names, 0));
  } catch {
    // It may be JSON lines.
  }
  try {
    const lines = text.split('\n').map((line) => (line.trim() === '' ? line : JSON.stringify(without(JSON.parse(line), names, 0))));
    return lines.join('\n');
  } catch {
    return redacted;
  }
}

const depthMax = 64;

function without(value: unknown, names: ReadonlySet<string>, depth: number): unknown {
  if (depth > depthMax) return redacted;
  if (Array.isArray(value)) return value.map((each) => without(each, names, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value);
  // A tensor of the Open Inference Protocol has its name in a member.
  const isNamed = members.some(([key, each]) => key === 'name' && typeof each === 'string' && names.has(each));
  return Object.fromEntries(
    members.map(([key, each]) => [key, names.has(key) || (isNamed && key === 'data') ? redacted : without(each, names, depth + 1)]),
  );
}

/**
 * Redacts CSV columns by the names in the header. Without a header line with one of the names, columns are addressed as `[0]`, `[1]`, ...
 * or `x[0]`. If a name matches neither way, the whole body is redacted.
 */
export function redactCsv(text: string, names: ReadonlySet<string>): string {
  const lines = text.split('\n');
  const header = cells(lines[0] ?? '').map(unquoted);
  const isHeader = header.some((cell) => names.has(cell));
  const columns = new Set<number>();
  for (const name of names) {
    const named = isHeader ? header.indexOf(name) : -1;
    const [, index] = /\[(\d{1,6})\]$/.exec(name) ?? [];
    if (named >= 0) columns.add(named);
    else if (index !== undefined) columns.add(Number(index));
    else if (!isHeader) return redacted;
  }
  return lines
    .map((line, i) => {
      if (line === '' || (isHeader && i === 0)) return line;
      const end = line.endsWith('\r') ? '\r' : '';
      return `${cells(end === '' ? line : line.slice(0, -1))
        .map((cell, column) => (columns.has(column) ? redacted : cell))
        .join(',')}${end}`;
    })
    .join('\n');
}

/** Raw cells of a line, including quotes. */
function cells(line: string): string[] {
  const found: string[] = [];
  let [start, isQuoted] = [0, false];
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '"') isQuoted = !isQuoted;
    else if (line[i] === ',' && !isQuoted) {
      found.push(line.slice(start, i));
      start = i + 1;
    }
  }
  found.push(line.slice(start));
  return found;
}

function unquoted(cell: string): string {
  const text = cell.trim();
  return text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}

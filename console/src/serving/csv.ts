/** CSV as people have it: quotes, commas or semicolons, with or without a header; and back. */
export interface Csv {
  /** The names of the columns; made up where the file has none. */
  readonly header: readonly string[];
  readonly hasHeader: boolean;
  readonly rows: readonly (readonly string[])[];
  /** Lines that have another number of columns than the first. */
  readonly ragged: number;
}

export function parseCsv(text: string): Csv {
  const clean = text.replace(/^\uFEFF/, '');
  const separator = separatorOf(clean);
  const lines = linesOf(clean, separator).filter((line) => line.length > 1 || (line[0] ?? '') !== '');
  const [first = []] = lines;
  const hasHeader =
    lines.length > 1 && first.some((cell) => cell.trim() !== '' && !isNumber(cell)) && looksLikeNames(first, lines[1] ?? []);
  const all = hasHeader ? lines.slice(1) : lines;
  const rows = all.filter((line) => line.length === first.length);
  const header = hasHeader ? first.map((name) => name.trim()) : first.map((_, index) => `column ${index + 1}`);
  return { header, hasHeader, rows, ragged: all.length - rows.length };
}

/** Names above numbers; above texts only where none is as long as the texts are. */
function looksLikeNames(first: readonly string[], second: readonly string[]): boolean {
  if (first.some(isNumber)) return false;
  return second.some(isNumber) || first.every((cell) => cell.length <= 40 && !/[.!?]\s|\s\S+\s\S+\s/.test(cell));
}

export function isNumber(cell: string): boolean {
  return cell.trim() !== '' && Number.isFinite(Number(cell));
}

function separatorOf(text: string): string {
  const [line = ''] = text.split('\n', 1);
  return [',', ';', '\t'].toSorted((a, b) => line.split(b).length - line.split(a).length)[0] ?? ',';
}

function linesOf(text: string, separator: string): string[][] {
  const lines: string[][] = [];
  let line: string[] = [];
  let cell = '';
  let isQuoted = false;
  const endCell = (): void => {
    line.push(cell);
    cell = '';
  };
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') {
        cell += '"';
        i++;
      } else isQuoted = false;
    } else if (character === '"' && cell.trim() === '') {
      cell = '';
      isQuoted = true;
    } else if (character === separator) endCell();
    else if (character === '\n') {
      endCell();
      lines.push(line);
      line = [];
    } else if (character !== '\r') cell += character;
  }
  if (cell !== '' || line.length > 0) {
    endCell();
    lines.push(line);
  }
  return lines;
}

/** A cell that a spreadsheet would take for a formula is written so that it does not. */
export function csvCell(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) && !isNumber(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function writeCsv(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [header, ...rows].map((row) => `${row.map(csvCell).join(',')}\n`).join('');
}

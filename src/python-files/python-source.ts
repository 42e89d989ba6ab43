/**
 * What a Python file binds at its top level, found in its text: no Python runs. Understands as much of the syntax as that takes:
 * comments, texts, brackets and continued lines.
 */

/** A statement that binds a name. */
export interface TopLevelStatement {
  /** The whole statement with its continuation lines, without comments and without the body of a function or class. */
  readonly text: string;
  /** Number of its first line, counted from 1. */
  readonly line: number;
}

/** The names of a file by what they are bound to. One name can be bound in several ways. */
export interface PythonSource {
  readonly functions: ReadonlyMap<string, TopLevelStatement>;
  readonly classes: ReadonlyMap<string, TopLevelStatement>;
  /** Bound by an assignment or an import. */
  readonly others: ReadonlySet<string>;
  /** Imported modules, as written; also those of indented imports. */
  readonly modules: ReadonlySet<string>;
}

const statementLengthMax = 20_000;

/** Reads a text of any content. What is no valid Python yields fewer names, not an error. */
export function readPythonSource(text: string): PythonSource {
  const functions = new Map<string, TopLevelStatement>();
  const classes = new Map<string, TopLevelStatement>();
  const others = new Set<string>();
  const modules = new Set<string>();
  for (const statement of statements(text)) {
    const line = statement.text;
    const [, imported, from] = /^\s*(?:import\s+([\w., \t]+)|from\s+([\w.]+)\s+import\b)/.exec(line) ?? [];
    for (const name of imported?.split(',') ?? [from ?? '']) {
      const module = name.trim().split(/\s/)[0] as string;
      if (module !== '') modules.add(module);
    }
    if (/^\s/.test(line)) continue;
    const [, name] = /^(?:async\s+)?def\s+(\w+)/.exec(line) ?? [];
    if (name !== undefined) functions.set(name, statement);
    const [, className] = /^class\s+(\w+)/.exec(line) ?? [];
    if (className !== undefined) classes.set(className, statement);
    for (const bound of boundNames(line)) others.add(bound);
  }
  return { functions, classes, others, modules };
}

function boundNames(line: string): string[] {
  const [, assigned] = /^(\w+)\s*(?::[^=]*)?=(?!=)/.exec(line) ?? [];
  if (assigned !== undefined) return [assigned];
  const [, list] = /^from\s+[\w.]+\s+import\s+([\s\S]*)$/.exec(line) ?? [];
  return (list ?? '')
    .replace(/[()]/g, '')
    .split(',')
    .map((part) => part.trim().split(/\W/).at(-1) ?? '')
    .filter((name) => name !== '');
}

/** Logical lines with their indentation. */
function* statements(text: string): Generator<TopLevelStatement> {
  let line = 1;
  let startLine = 1;
  let pieces = '';
  let depth = 0;
  for (let at = 0; at <= text.length; ) {
    const character = text[at];
    if (character === undefined || (character === '\n' && depth === 0)) {
      if (pieces.trim() !== '') yield { text: pieces.slice(0, statementLengthMax), line: startLine };
      pieces = '';
      depth = 0;
      startLine = ++line;
      at++;
      continue;
    }
    const end = tokenEnd(text, at);
    const token = text.slice(at, end);
    if (token === '(' || token === '[' || token === '{') depth++;
    if ((token === ')' || token === ']' || token === '}') && depth > 0) depth--;
    line += token.split('\n').length - 1;
    if (!/^(?:#|\\\r?\n|\r$)/.test(token) && pieces.length < statementLengthMax) pieces += token;
    at = end;
  }
}

/** The end of the comment, text or other character that begins at `at`. A text of one line ends with it at the latest. */
function tokenEnd(text: string, at: number): number {
  const character = text[at];
  if (character === '#') {
    const end = text.indexOf('\n', at);
    return end === -1 ? text.length : end;
  }
  if (character === '\\') return text.startsWith('\r\n', at + 1) ? at + 3 : Math.min(at + 2, text.length);
  if (character !== '"' && character !== "'") return at + 1;
  const triple = character.repeat(3);
  const isLong = text.startsWith(triple, at);
  const close = isLong ? triple : character;
  for (let end = at + close.length; end < text.length; end++) {
    if (text[end] === '\\') end++;
    else if (text.startsWith(close, end)) return end + close.length;
    else if (!isLong && text[end] === '\n') return end;
  }
  return text.length;
}

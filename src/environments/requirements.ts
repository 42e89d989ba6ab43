/**
 * Reads the text of a requirements file. The text is hostile: pip and uv would read other files, other indexes and environment variables for
 * it. So only lines that name a package of the index pass; everything else is rejected with a reason. Pure.
 */
import { PlatformError } from '../errors.ts';

const textBytesMax = 256 * 1024;
const linesMax = 2000;
const lineLengthMax = 4096;

const packageName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,200}[A-Za-z0-9])?$/;
const extraNames = /^[A-Za-z0-9._, -]{0,500}$/;
const versionClause = /^(?:===|==|~=|!=|<=|>=|<|>) ?[A-Za-z0-9][A-Za-z0-9.*+!_-]{0,100}$/;
const markerText = /^[A-Za-z0-9_ .,'"()<>=!~*+-]{1,500}$/;
const hashOption = /^--hash[= ]sha(?:256:[0-9a-fA-F]{64}|384:[0-9a-fA-F]{96}|512:[0-9a-fA-F]{128})$/;

/**
 * The requirements of a text in a canonical form: a line for each package, sorted, without comments. Throws `too_large` or
 * `invalid_request`, naming the line, which is called `what`.
 */
export function parseRequirements(text: string, what = 'requirements line'): readonly string[] {
  const bytes = Buffer.byteLength(text);
  if (bytes > textBytesMax)
    throw new PlatformError('too_large', `requirements: expected at most ${textBytesMax / 1024} KiB, got ${bytes} bytes`);
  const lines = joinedLines(text.replace(/^\uFEFF/, ''), what);
  if (lines.length > linesMax)
    throw new PlatformError('too_large', `requirements: expected at most ${linesMax} packages, got ${lines.length}`);
  return [...new Set(lines.map(({ number, line }) => parseLine(`${what} ${number}`, line)))].sort();
}

interface NumberedLine {
  readonly number: number;
  readonly line: string;
}

/** Joins continued lines, and drops comments and empty lines. */
function joinedLines(text: string, what: string): readonly NumberedLine[] {
  const found: NumberedLine[] = [];
  let pending: { number: number; line: string } | null = null;
  for (const [index, raw] of text.split(/\r\n|\n|\r/).entries()) {
    const isContinued = raw.endsWith('\\');
    const part: string = isContinued ? raw.slice(0, -1) : raw;
    const number: number = pending?.number ?? index + 1;
    const line: string = pending === null ? part : `${pending.line} ${part.trim()}`;
    if (line.length > lineLengthMax)
      throw new PlatformError('too_large', `${what} ${number}: expected at most ${lineLengthMax} characters`);
    pending = isContinued ? { number, line } : null;
    if (!isContinued) push(found, number, line);
  }
  if (pending !== null) push(found, pending.number, pending.line);
  return found;
}

function push(found: NumberedLine[], number: number, line: string): void {
  // Patterns that look for spaces before something try each of them: a line of 4,000 would take a tenth of a second.
  const content = line
    .replaceAll(/[ \t]+/g, ' ')
    .replace(/(?:^|\s)#.*$/, '')
    .trim();
  if (content !== '') found.push({ number, line: content });
}

/** `name[extras]==1.2,<3; marker --hash=sha256:…` with one space at most between its parts. */
function parseLine(where: string, line: string): string {
  const refusal = refusedBecause(line);
  if (refusal !== null) throw refused(where, line, refusal);
  const [requirement = '', ...hashes] = line.split(/ (?=--)/);
  const [named = '', ...markers] = requirement.split(';');
  const [, name = '', bracketed, versions = ''] = /^([^\s[<>=!~(]+)\s*(\[[^\]]*\])?\s*(.*)$/.exec(named.trim()) ?? [];
  const extras = (bracketed ?? '').slice(1, -1).trim();
  const clauses = versions
    .replace(/^\((.*)\)$/, '$1')
    .split(',')
    .map((clause) => clause.trim().replace(/^([<>=!~]+)\s+/, '$1'))
    .filter((clause) => clause !== '');
  const marker = markers.join(';').trim();
  const isPlain =
    packageName.test(name) &&
    extraNames.test(extras) &&
    clauses.every((clause) => versionClause.test(clause)) &&
    (marker === '' || markerText.test(marker)) &&
    hashes.every((hash) => hashOption.test(hash.trim()));
  if (!isPlain) throw refused(where, line, 'it is not the name of a package, with or without versions');
  const text = `${name}${extras === '' ? '' : `[${extras.replaceAll(/\s+/g, '')}]`}${clauses.join(',')}`;
  return [
    `${text}${marker === '' ? '' : `; ${marker.replaceAll(/\s+/g, ' ')}`}`,
    ...hashes.map((hash) => hash.trim().replace(' ', '=')),
  ].join(' ');
}

/** Why a line is rejected regardless of its form; null if it is not. */
function refusedBecause(line: string): string | null {
  if (/[\0-\x08\x0b-\x1f\x7f]/.test(line)) return 'it contains control characters';
  if (/^(?:-r|-c|--requirement|--constraint)\b/.test(line)) return 'it reads another file. Put the lines of that file here';
  if (/^(?:-i|-f|--index-url|--extra-index-url|--no-index|--find-links|--trusted-host)\b/.test(line)) {
    return 'it changes where packages come from, which only the operator can: environments.build in config.json';
  }
  if (
    /^(?:-e|--editable)\b/.test(line) ||
    /:\/\/|@|^git\+|^file:/.test(line) ||
    /^[./~]|\//.test(line) ||
    /\.(?:whl|zip|tar\.gz)$/i.test(line)
  ) {
    return 'it installs from a path or a URL. Name a package of the index, or have the operator put a wheel into environments.build.wheels';
  }
  if (line.startsWith('-')) return 'it is an option';
  return line.includes('$') ? 'it reads an environment variable' : null;
}

function refused(where: string, line: string, reason: string): PlatformError {
  const shown = JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line).replaceAll(/\/\/[^@/\s]*@/g, '//…@');
  return new PlatformError('invalid_request', `${where}: expected a package such as scikit-learn==1.5.2, got ${shown}: ${reason}`);
}

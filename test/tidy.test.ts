/**
 * Rules for the code in src/ and console/src/, without tests. Reads text, and relies on biome's indentation to find the end of a
 * function.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleSource, isTest, type SourceFile, sourceFiles, suiteSource } from './source-files.ts';

const fileLinesMax = 500;
const functionLinesMax = 70;
/** `fieldManager` is a parameter of Kubernetes. */
const bannedWords = /utils|helpers|(?<!field)manager/i;
const bannedMarks = /\bTODO\b/;

/** The only files that may read a clock, wait or use randomness. */
const entryPoints = ['clock.ts', 'random.ts', 'platform.ts', 'main.ts', 'runtime/worker-main.ts'];
const timeOrChance = /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|(?<![.\w])set(?:Timeout|Interval)\b|node:timers/;

/** A line that opens a function's body: a declaration, an arrow, a method, or the end of a signature of several lines. */
const opensFunction =
  /\bfunction\b.*\{$|=> \{$|^\s*\)(?:: .+)? \{$|^\s*(?!(?:if|for|while|switch|catch|with)\b)(?:[a-z]+ )*[#\w]+(?:<.*>)?\(.*\)(?:: .+)? \{$/;

interface LongFunction {
  readonly line: number;
  readonly lines: number;
}

/** Functions of more than `linesMax` lines: from the line that opens the body to the brace at the same indentation. */
function longFunctions(text: string, linesMax: number): LongFunction[] {
  const lines = text.split('\n');
  const found: LongFunction[] = [];
  for (const [start, line] of lines.entries()) {
    if (!opensFunction.test(line)) continue;
    const indentation = line.slice(0, line.length - line.trimStart().length);
    const end = lines.findIndex((other, i) => i > start && other.startsWith(`${indentation}}`));
    if (end - start + 1 > linesMax) found.push({ line: start + 1, lines: end - start + 1 });
  }
  return found;
}

function complaints({ path, text }: SourceFile, isInBrowser = false): string[] {
  const lines = text.split('\n');
  const found: string[] = [];
  if (lines.length - 1 > fileLinesMax) found.push(`${path}: ${lines.length - 1} lines, at most ${fileLinesMax}`);
  for (const long of longFunctions(text, functionLinesMax)) {
    found.push(`${path}:${long.line}: a function of ${long.lines} lines, at most ${functionLinesMax}`);
  }
  if (bannedWords.test(path)) found.push(`${path}: a banned word in the name`);
  for (const [i, line] of lines.entries()) {
    const word = bannedWords.exec(line) ?? bannedMarks.exec(line);
    if (word !== null) found.push(`${path}:${i + 1}: the banned word ${word[0]}`);
    const reading = isInBrowser || entryPoints.includes(path) ? null : timeOrChance.exec(line);
    if (reading !== null) found.push(`${path}:${i + 1}: ${reading[0]}: pass in time and randomness (Clock, Random)`);
  }
  return found;
}

test('files are short, functions fit a screen, names are specific, time and randomness are passed in', () => {
  const files = sourceFiles().filter(({ path }) => !isTest(path));
  assert.deepEqual(
    files.flatMap((file) => complaints(file)),
    [],
  );
});

test('the same holds for the conformance suite', () => {
  const files = sourceFiles(suiteSource).filter(({ path }) => !isTest(path));
  assert.deepEqual(
    files.flatMap((file) => complaints(file)),
    [],
  );
});

test("the same holds for the console, which may read the browser's clock", () => {
  const files = sourceFiles(consoleSource).filter(({ path }) => !isTest(path));
  assert.deepEqual(
    files.flatMap((file) => complaints(file, true)),
    [],
  );
});

const body = (count: number): string => '  work();\n'.repeat(count);

for (const { when, text, path = 'serving/buffer.ts', wrong } of [
  { when: 'a tidy file', text: `function f(): void {\n${body(68)}}\n`, wrong: [] },
  { when: 'a long file', text: '\n'.repeat(501), wrong: ['501 lines'] },
  { when: 'a long function', text: `export async function f(): Promise<void> {\n${body(69)}}\n`, wrong: ['a function of 71 lines'] },
  { when: 'a long arrow', text: `const f = (a: number): number => {\n${body(69)}};\n`, wrong: ['a function of 71 lines'] },
  {
    when: 'a long method',
    text: `class A {\n  async #f<T>(a: T): Promise<T> {\n${`  ${body(1)}`.repeat(69)}  }\n}\n`,
    wrong: ['71 lines'],
  },
  { when: 'a long signature', text: `function f(\n  a: number,\n): void {\n${body(69)}}\n`, wrong: ['a function of 71 lines'] },
  { when: 'a long class of short methods', text: `class A {\n${'  f(): void {\n    g();\n  }\n'.repeat(30)}}\n`, wrong: [] },
  { when: 'a long literal', text: `const table = {\n${'  a: 1,\n'.repeat(90)}};\n`, wrong: [] },
  { when: 'a vague file name', text: '', path: 'serving/utils.ts', wrong: ['banned word in the name'] },
  { when: 'a manager', text: 'class QueueManager {}\n', wrong: ['the banned word Manager'] },
  { when: 'a parameter of Kubernetes', text: 'const query = `?fieldManager=${name}`;\n', wrong: [] },
  { when: 'a TODO', text: '// TODO: later\n', wrong: ['the banned word TODO'] },
  { when: 'a read of the clock', text: 'const at = Date.now();\n', wrong: ['Date.now'] },
  { when: 'an empty Date', text: 'const at = new Date();\n', wrong: ['new Date()'] },
  { when: 'a Date from a number', text: 'const at = new Date(wallMs);\n', wrong: [] },
  { when: 'a random number', text: 'const id = Math.random();\n', wrong: ['Math.random'] },
  { when: 'a direct timer', text: 'setTimeout(run, 5);\n', wrong: ['setTimeout'] },
  { when: "a socket's timeout", text: 'socket.setTimeout(5);\n', wrong: [] },
  { when: 'a timer in the clock', text: 'setTimeout(run, 5);\n', path: 'clock.ts', wrong: [] },
]) {
  test(`self-check: ${when} ${wrong.length === 0 ? 'is fine' : 'is found'}`, () => {
    const found = complaints({ path, text });
    assert.equal(found.length, wrong.length, found.join('\n'));
    for (const [i, part] of wrong.entries()) assert(found[i]?.includes(part), found.join('\n'));
  });
}

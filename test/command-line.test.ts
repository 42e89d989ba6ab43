/** Wrong command lines get one sentence, not a stack trace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCommandLine, usageOf } from './command-line.ts';

const line = { command: 'npm run x --', flags: { runs: 3, only: { example: 'digits' }, dry: false }, names: ['http', 'grpc'] } as const;
const usage = 'npm run x -- [--runs 3] [--only digits] [--dry] [http | grpc]...';

test('a command line has the values of its flags, and defaults', () => {
  assert.equal(usageOf(line), usage);
  assert.deepEqual(parseCommandLine(line, []), { values: { runs: 3, only: '', dry: false }, names: [] });
  const args = ['--runs', '0.5', 'grpc', '--only=a,b', '--dry'];
  assert.deepEqual(parseCommandLine(line, args), { values: { runs: 0.5, only: 'a,b', dry: true }, names: ['grpc'] });
});

for (const [args, problem] of [
  [['--hours', '3'], `expected ${usage}, got '--hours'`],
  [['--toString'], `expected ${usage}, got '--toString'`],
  [['ftp'], `expected ${usage}, got 'ftp'`],
  [['--runs', 'many'], "--runs: expected a number above 0, got 'many'"],
  [['--runs', '0'], "--runs: expected a number above 0, got '0'"],
  [['--runs'], "--runs: expected a number above 0, got ''"],
  [['--only'], "--only: expected a value such as digits, got ''"],
  [['--dry=no'], "--dry: expected no value, got 'no'"],
] as const) {
  test(`${args.join(' ')} is answered with what was expected`, () => assert.equal(parseCommandLine(line, args), problem));
}

const root = join(import.meta.dirname, '..');
const run = (...args: readonly string[]) => spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });

test('benchmarks, soaks and checks print their usage', () => {
  for (const [expected, ...args] of [
    [/^npm run bench -- overhead \[--runs 3\].*\n(?:.*\n)*npm run bench -- watching-alone \[--dry\]\n$/, 'bench/main.ts', '--help'],
    [/^npm run bench -- selection \[--only floors,.*\] \[--dry\]\n$/, 'bench/main.ts', 'selection', '--help'],
    [/^npm run soak -- \[--minutes 5\]\n$/, 'bench/soak.ts', '--help'],
    [/^npm run soak:fuzz -- \[--seed 7\] \[--scale 20\] \[.*\bhttp\b.*\]\.\.\.\n$/, 'test/fuzz/soak.ts', '--help'],
    [/^npm run soak:bodies -- \[--rounds 3\]\n$/, 'test/soak.ts', 'bodies', '--help'],
    [/^npm run soak:mlflow --\n$/, 'test/soak.ts', 'mlflow', '-h'],
    [/^node test\/checks\.ts \[typecheck \| .*\]\.\.\.\n$/, 'test/checks.ts', '--help'],
  ] as const) {
    const { status, stdout, stderr } = run(...args);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, expected);
  }
});

test('an unknown name or flag is answered in one sentence', () => {
  for (const [expected, ...args] of [
    [/^expected a benchmark, one of overhead, .*watching-alone, got 'overheads'\n$/, 'bench/main.ts', 'overheads'],
    [/^expected npm run bench -- grpc \[--seconds 5\] \[--dry\], got '--rounds'\n$/, 'bench/main.ts', 'grpc', '--rounds', '3'],
    [/^--minutes: expected a number above 0, got 'x'\n$/, 'bench/soak.ts', '--minutes', 'x'],
    [/^expected npm run soak:fuzz -- .*, got 'ftp'\n$/, 'test/fuzz/soak.ts', 'ftp'],
    [/^expected a soak, one of .*\bbodies\b.*, got 'body'\n$/, 'test/soak.ts', 'body'],
    [/^expected npm run soak:bodies -- \[--rounds 3\], got '5'\n$/, 'test/soak.ts', 'bodies', '5'],
    [/^expected node test\/checks\.ts .*, got 'lints'\n$/, 'test/checks.ts', 'lints'],
    [/^expected node test\/checks\.ts .*, got no names\n$/, 'test/checks.ts'],
  ] as const) {
    const { status, stdout, stderr } = run(...args);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, expected);
  }
});

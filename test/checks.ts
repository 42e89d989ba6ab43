/**
 * Runs checks of package.json side by side: `node test/checks.ts NAME...`. One after another they leave a processor idle for a part of their
 * time: knip and biome use one, the compiler reads files before it uses both.
 */
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { endWithProblem, readCommandLine, usageOf } from './command-line.ts';

/** Of package.json. */
const known = ['typecheck', 'lint', 'format:check', 'unused'] as const;

interface Ended {
  readonly name: string;
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

function check(name: string, priority: number): Promise<Ended> {
  const startMs = performance.now();
  const child = spawn('npm', ['run', '--silent', name], { cwd: join(import.meta.dirname, '..'), stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid !== undefined) setPriority(child.pid, priority);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
  return new Promise((resolve, reject) => {
    child
      .once('error', reject)
      .once('close', (code) => resolve({ name, code: code ?? 1, output, seconds: (performance.now() - startMs) / 1000 }));
  });
}

/** Prints each check when it ends, and what a failed one says. Beside tests, which have time limits, checks use the time that these leave. */
export async function runChecks(names: readonly (typeof known)[number][], isBesideTests: boolean): Promise<Ended[]> {
  const { PRIORITY_BELOW_NORMAL: low, PRIORITY_NORMAL: normal } = constants.priority;
  const ended = names.map(async (name) => {
    const one = await check(name, isBesideTests ? low : normal);
    process.stdout.write(textOf(one));
    return one;
  });
  return Promise.all(ended);
}

export function textOf({ name, code, output, seconds }: Ended): string {
  return `${code === 0 ? '✔' : '✖'} ${name} (${seconds.toFixed(1)} s)\n${code === 0 ? '' : output}`;
}

if (import.meta.main) {
  const line = { command: 'node test/checks.ts', flags: {}, names: known };
  const { names } = readCommandLine(line);
  if (names.length === 0) endWithProblem(`expected ${usageOf(line)}, got no names`);
  const ended = await runChecks(
    known.filter((name) => names.includes(name)),
    false,
  );
  process.exitCode = Math.max(...ended.map(({ code }) => code));
}

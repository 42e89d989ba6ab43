/**
 * Runs checks of package.json side by side: `node test/checks.ts NAME...`. One after another they leave a processor idle for a part of their
 * time: knip and biome use one, the compiler reads files before it uses both.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { endWithProblem, readCommandLine, usageOf } from './command-line.ts';

interface Ended {
  readonly name: string;
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

function check(name: string): Promise<Ended> {
  const startMs = performance.now();
  const child = spawn('npm', ['run', '--silent', name], { cwd: join(import.meta.dirname, '..'), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
  return new Promise((resolve, reject) => {
    child
      .once('error', reject)
      .once('close', (code) => resolve({ name, code: code ?? 1, output, seconds: (performance.now() - startMs) / 1000 }));
  });
}

const line = { command: 'node test/checks.ts', flags: {}, names: ['typecheck', 'lint', 'format:check', 'unused'] };
const { names } = readCommandLine(line);
if (names.length === 0) endWithProblem(`expected ${usageOf(line)}, got no names`);
const ended = await Promise.all(names.map(check));
for (const { name, code, output, seconds } of ended) {
  process.stdout.write(`${code === 0 ? '✔' : '✖'} ${name} (${seconds.toFixed(1)} s)\n${code === 0 ? '' : output}`);
}
process.exitCode = Math.max(0, ...ended.map(({ code }) => code));

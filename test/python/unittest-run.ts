/** Runs unit tests of the Python worker in an environment. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { PythonEnvironment } from '../compat/python-environment.ts';

const folder = join(import.meta.dirname, '../../python');

export interface UnittestRun {
  readonly isPassed: boolean;
  /** Whether some were skipped. */
  readonly isPartial: boolean;
  readonly output: string;
  /** `Ran 54 tests in 9.871s` */
  readonly summary: string;
}

/** Runs `python -m unittest` with these arguments in `python/`. */
export function runUnittest(
  { bin }: PythonEnvironment,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): UnittestRun {
  const { status, stderr } = spawnSync(join(bin, 'python'), ['-m', 'unittest', ...args], {
    cwd: folder,
    env: { ...process.env, ...variables, PYTHONDONTWRITEBYTECODE: '1', MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' },
    encoding: 'utf8',
    timeout: 540_000,
  });
  const summary = /^Ran .*$/m.exec(stderr)?.[0] ?? '';
  return { isPassed: status === 0, isPartial: /^OK \(.*skipped/m.test(stderr), output: stderr, summary };
}

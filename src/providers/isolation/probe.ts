/** Tests whether a way of isolation works on this machine, with a real process and a real file of the server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { LastLines, workerMainPath } from '../../runtime/index.ts';
import type { WorkerPlace } from './worker-place.ts';

const timeoutMs = 20_000;

/** Fails if the server's file is readable, or if something that workers need is not usable. */
const script = `set -eu
if cat "$1" >/dev/null 2>&1; then echo 'a file of the server can be read' >&2; exit 1; fi
cat "$4" >/dev/null
: > "$2/probe"
"$3" --version >/dev/null
`;

/** Returns null if the isolation works, otherwise the reason. */
export async function probe(place: WorkerPlace, secret: string): Promise<string | null> {
  const command = ['sh', '-c', script, 'penstock-probe', secret, place.directory, process.execPath, workerMainPath];
  const { program, args } = place.launch(command);
  const child = spawn(program, args, {
    env: { ...place.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const lines = new LastLines();
  if (child.stderr !== null) lines.follow(child.stderr, () => undefined);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (code === 0) return null;
    return lines.toString().split('\n').at(-1) || (signal === null ? `exit code ${code}` : `killed by ${signal}`);
  } catch {
    return `${program} is not installed`;
  }
}

/** moto's server: an S3 store by other people, to test against more than our own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { until } from '../end-to-end/poll.ts';
import { freePort } from '../free-port.ts';

export interface MotoServer {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** The server, or the reason for skipping. */
export async function startMoto(): Promise<MotoServer | string> {
  const environment = await pythonEnvironment('penstock-moto', join(import.meta.dirname, 'requirements-moto-5.2.txt'));
  if (typeof environment === 'string') return environment;
  const port = await freePort();
  const child = spawn(join(environment.bin, 'python'), ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  const isUp = (): Promise<boolean> =>
    fetch(`${endpoint}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
  try {
    await until('moto answers', isUp, 60_000);
  } catch (error) {
    await end(child);
    throw error;
  }
  return { endpoint, stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** A Python worker on the server's own link, without a provider. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pythonWorkerPath, receiveHello, SharedMemory, WorkerLink } from '../../src/runtime/index.ts';
import type { PythonEnvironment } from '../compat/python-environment.ts';

/** Starts a worker whose models all lie in `models`; its socket is in `folder`. Close the link to end it. */
export async function linkedWorker(
  { bin }: PythonEnvironment,
  folder: string,
  models: string,
): Promise<{ readonly link: WorkerLink; readonly child: ChildProcess }> {
  const path = join(folder, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const memory = SharedMemory.create('linked');
  const args = ['-I', '-u', '-X', 'faulthandler', pythonWorkerPath, path, 'w', 'python'];
  const env = { PENSTOCK_WORKER_TOKEN: 'token' };
  const child = spawn(join(bin, 'python'), args, { env, stdio: ['ignore', 'inherit', 'inherit', memory?.fd ?? 'ignore'] });
  const [socket] = (await once(server, 'connection')) as [Socket];
  await receiveHello(socket);
  server.close();
  const lent = { path: models, release: () => undefined };
  const collect = (): never => {
    throw new Error('a Python worker writes no file');
  };
  return { link: new WorkerLink(socket, memory, { lend: () => lent, lendFolder: () => lent, collect }), child };
}

/** Loaded before the server (`node --import`): its workers load `slow-worker.ts` before they begin. The server itself is as it is. */
import childProcess, { type SpawnOptions } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

const isWorker = /\/runtime\/worker-main\.(?:ts|js)$/;
const slowWorker = new URL('./slow-worker.ts', import.meta.url).href;
const { spawn } = childProcess;

childProcess.spawn = ((program: string, args: readonly string[] = [], options: SpawnOptions = {}) => {
  const main = args.findIndex((arg) => isWorker.test(arg));
  const all = main === -1 || args.includes('fill-cache') ? args : [...args.slice(0, main), '--import', slowWorker, ...args.slice(main)];
  return spawn(program, all as string[], options);
}) as typeof spawn;
syncBuiltinESMExports();

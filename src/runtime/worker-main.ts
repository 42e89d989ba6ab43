/**
 * The entry point of a worker process. It connects to the server's socket, identifies itself, loads onnxruntime, and answers calls in
 * sequence until the socket closes: a worker never outlives its server. A worker that starts a command does not load onnxruntime. If either
 * the worker or the command ends, the other one ends, too.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { SystemClock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { v8Flags } from '../v8-flags.ts';
import { FrameReader, kinds, messageFrame, resolveShared } from './link/frames.ts';
import { SharedMemory, sharedMemoryFd } from './link/shared-memory.ts';
import { onnxruntime } from './onnx/onnx-model.ts';
import { signalGroup } from './process/process-group.ts';
import { WorkerCalls } from './worker-calls.ts';

// Must be the first statement: see onnxruntime().
Reflect.deleteProperty(globalThis, 'Float16Array');
process.title = 'penstock-worker';
for (const flag of v8Flags) setFlagsFromString(flag);

function end(why: string, code: number): never {
  // The server shows this as the reason why the worker ended. Written synchronously, so that nothing is lost on exit.
  if (code !== 0) writeSync(2, `${why}\n`);
  process.exit(code);
}

const [, , socketPath, workerId, kind = 'onnx'] = process.argv;
const token = kind === 'fill-cache' ? '' : process.env['PENSTOCK_WORKER_TOKEN'];
delete process.env['PENSTOCK_WORKER_TOKEN'];
if (socketPath === undefined || workerId === undefined || token === undefined) {
  end('penstock-worker must be started by the server: expected a socket and a worker id as arguments, and a token in the environment', 2);
}

if (kind === 'fill-cache') await fillCompileCache();
preferAsVictim();
try {
  if (kind === 'onnx') onnxruntime();
} catch (error) {
  end(messageOf(error), 1);
}
const socket = connect(socketPath);
const calls = new WorkerCalls(socket, new SystemClock(), (why) => end(why, 1));
const memory = new SharedMemory(sharedMemoryFd);
const reader = new FrameReader((frame) => calls.receive(resolveShared(frame, (slot, bytes) => memory.read(slot, bytes))));
socket.on('connect', () => {
  socket.write(messageFrame(0, kinds.hello, { workerId, token }));
  flushCompileCache(); // Node only writes it on a normal exit, and most workers are killed
});
socket.on('data', (chunk: Buffer) => {
  try {
    reader.push(chunk);
  } catch (error) {
    end(messageOf(error), 1);
  }
});
socket.on('error', (error) => end(`connection to the server: ${error.message}`, 1));
socket.on('close', () => {
  // The server no longer waits for an answer, and nothing else would end the remaining processes.
  if (kind !== 'onnx') signalGroup('SIGKILL');
  end('the server closed the connection', 0);
});

if (kind !== 'onnx') {
  // An error means that the output is no longer read: the server has ended, and this may be the first sign of it.
  process.stdout.on('error', () => signalGroup('SIGKILL'));
  let isStopping = false;
  process.on('SIGTERM', () => {
    if (isStopping) return; // the group's signal includes this process
    isStopping = true;
    void calls.stop().then(() => end('', 0));
  });
}

/** Loads everything that workers load, so that Node writes its compile cache, and exits. */
async function fillCompileCache(): Promise<never> {
  try {
    onnxruntime();
  } catch {
    // onnxruntime is not installed: process models are served without it.
  }
  await Promise.all([
    import('./probe/inspect.ts'),
    import('./process/process-model.ts'),
    import('./process/process-bundle.ts'),
    import('./plan-model.ts'),
  ]);
  flushCompileCache();
  return end('', 0);
}

/** If the machine runs out of memory, the kernel should end a worker, which is restarted, before the server. */
function preferAsVictim(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux, or not permitted: it is only a preference.
  }
}

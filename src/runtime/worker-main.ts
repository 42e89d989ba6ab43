/**
 * The entry point of a worker's process. It connects to the server's socket, says who it is, has onnxruntime ready,
 * and answers calls one after the other until the socket closes: a worker never outlives its server. One that is to
 * start a process has no onnxruntime, and ends with its process, as the process with it.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { SystemClock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { v8Flags } from '../v8-flags.ts';
import { FrameReader, kinds, messageFrame, resolveShared } from './frames.ts';
import { onnxruntime } from './onnx-model.ts';
import { signalGroup } from './process-group.ts';
import { SharedMemory, sharedMemoryFd } from './shared-memory.ts';
import { WorkerCalls } from './worker-calls.ts';

// The first statement: see onnxruntime().
Reflect.deleteProperty(globalThis, 'Float16Array');
process.title = 'penstock-worker';
for (const flag of v8Flags) setFlagsFromString(flag);

function end(why: string, code: number): never {
  // The server reads this and shows it as the reason of the end. Written at once: nothing may be lost on the way out.
  if (code !== 0) writeSync(2, `${why}\n`);
  process.exit(code);
}

const [, , socketPath, workerId, kind = 'onnx'] = process.argv;
const token = process.env['PENSTOCK_WORKER_TOKEN'];
delete process.env['PENSTOCK_WORKER_TOKEN'];
if (socketPath === undefined || workerId === undefined || token === undefined) {
  end('penstock-worker is started by the server: expected a socket and a worker id as arguments, and a token in the environment', 2);
}

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
  flushCompileCache(); // Node would write it at a normal exit only, and most workers are killed
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
  // Nobody waits for an answer any more, nor would anybody end what is left.
  if (kind !== 'onnx') signalGroup('SIGKILL');
  end('the server closed the connection', 0);
});

if (kind !== 'onnx') {
  // A line that nobody takes any more: the server is gone, and this may be the first that is seen of it.
  process.stdout.on('error', () => signalGroup('SIGKILL'));
  let isStopping = false;
  process.on('SIGTERM', () => {
    if (isStopping) return; // it comes back with that of the group
    isStopping = true;
    void calls.stop().then(() => end('', 0));
  });
}

/** When the machine runs out of memory, the kernel shall end a worker, which is restarted, before the server. */
function preferAsVictim(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux, or not permitted: a preference, nothing more.
  }
}

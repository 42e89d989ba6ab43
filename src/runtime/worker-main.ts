/**
 * The entry point of a worker process: `SOCKET ID [KIND]`. It identifies itself and answers calls until its connection closes: a worker
 * never outlives its server. One of ONNX models inherits its connection (SOCKET is `inherited`), and has nothing to do but to run: it waits
 * in blocking reads, without an event loop. Any other connects to the server's socket, and waits in an event loop. A worker that starts a
 * command does not load onnxruntime; if either the worker or the command ends, the other one ends, too.
 */
import { writeFileSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { SystemClock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { v8Flags, youngGeneration } from '../v8-flags.ts';
import { BlockingChannel, inheritedChannel } from './blocking-channel.ts';
import { type Frame, FrameReader, kinds, messageFrame, resolveShared, writeFrame } from './link/frames.ts';
import { SharedMemory, sharedMemoryFd } from './link/shared-memory.ts';
import { onnxruntime } from './onnx/onnx-model.ts';
import { signalGroup } from './process/process-group.ts';
import { WorkerCalls } from './worker-calls.ts';

// Must be the first statement: see onnxruntime().
Reflect.deleteProperty(globalThis, 'Float16Array');
process.title = 'penstock-worker';
/** In a turn of the event loop, V8 and Node do what they have put off. */
const turnEveryMs = 100;
for (const flag of v8Flags) setFlagsFromString(flag);

function end(why: string, code: number): never {
  // The server shows this as the reason why the worker ended. Written synchronously, so that nothing is lost on exit.
  if (code !== 0) writeSync(2, `${why}\n`);
  process.exit(code);
}

const [, , socketPath, workerId, kind = 'onnx'] = process.argv;
if (kind === 'onnx') setFlagsFromString(youngGeneration.fixed);
const isInherited = socketPath === inheritedChannel;
const token = kind === 'fill-cache' || isInherited ? '' : process.env['PENSTOCK_WORKER_TOKEN'];
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
const memory = new SharedMemory(sharedMemoryFd);
const whole = (frame: Frame): Frame => resolveShared(frame, (slot, bytes) => memory.read(slot, bytes));
const hello = messageFrame(0, kinds.hello, { workerId, token });
const onLost = (why: string): never => end(why, 1);
if (isInherited) await serveInherited();
else serveSocket(socketPath);

/** Never returns. */
async function serveInherited(): Promise<never> {
  const channel = new BlockingChannel();
  const clock = new SystemClock();
  const calls = new WorkerCalls((frame) => channel.send(frame), clock, onLost);
  let turnedMs = clock.nowMs();
  try {
    channel.send([hello]);
    flushCompileCache(); // Node only writes it on a normal exit, and most workers are killed
    for (;;) {
      const frame = channel.receive();
      if (frame === null) return closed();
      await calls.receive(whole(frame));
      if (clock.nowMs() - turnedMs < turnEveryMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turnedMs = clock.nowMs();
    }
  } catch (error) {
    return isClosed(error) ? closed() : end(messageOf(error), 1);
  }
}

function serveSocket(path: string): void {
  const socket = connect(path);
  const calls = new WorkerCalls((frame) => writeFrame(socket, frame), new SystemClock(), onLost);
  const reader = new FrameReader((frame) => {
    calls.receive(whole(frame)).catch((error: unknown) => end(messageOf(error), 1));
  });
  socket.on('connect', () => {
    socket.write(hello);
    flushCompileCache();
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      end(messageOf(error), 1);
    }
  });
  socket.on('error', (error) => end(`connection to the server: ${error.message}`, 1));
  socket.on('close', closed);
  if (kind !== 'onnx') endWithGroup(calls);
}

function closed(): never {
  // The server no longer waits for an answer, and nothing else would end the remaining processes.
  if (kind !== 'onnx') signalGroup('SIGKILL');
  return end('the server closed the connection', 0);
}

/** Whether the server closed the connection while an answer was written. */
function isClosed(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'EPIPE' || code === 'ECONNRESET';
}

/** The worker of a command ends with its process group, and gracefully. */
function endWithGroup(calls: WorkerCalls): void {
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

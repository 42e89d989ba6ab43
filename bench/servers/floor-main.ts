/**
 * The lower bound for a gateway on this machine: node:http in front of one process that runs the model behind a unix socket. It has no
 * validation, JSON, queue or metrics. Penstock's own overhead is what it takes beyond this. Arguments: path of the model. Prints
 * `floor ready URL`.
 */
import { fork } from 'node:child_process';
import { unlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-common';

interface Onnx {
  readonly InferenceSession: { create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

const rowBytes = 64 * 4;
const [, , modelPath = '', socketPath] = process.argv;

function gateway(): void {
  const path = join(tmpdir(), `penstock-floor-${process.pid}`);
  const answer = Buffer.alloc(400, ' ');
  createSocketServer((worker) => {
    const waiting: (() => void)[] = [];
    worker.on('data', () => waiting.shift()?.());
    worker.on('error', () => process.exit(0));
    const server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        waiting.push(() => response.end(answer));
        worker.write(Buffer.alloc(rowBytes));
      });
    });
    server.listen(0, '127.0.0.1', () => console.log(`floor ready http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  }).listen(path, () => {
    const child = fork(new URL(import.meta.url), [modelPath, path]);
    process.on('SIGTERM', () => {
      child.kill();
      unlinkSync(path);
      process.exit(0);
    });
  });
}

async function worker(path: string): Promise<void> {
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  const onnx = createRequire(import.meta.url)('onnxruntime-node') as Onnx;
  const session = await onnx.InferenceSession.create(modelPath, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 });
  const input = session.inputNames[0] as string;
  const socket = connect(path);
  socket.on('data', (chunk: Buffer) => {
    const data = new Float32Array(new Uint8Array(chunk).buffer, 0, 64);
    void session.run({ [input]: new onnx.Tensor('float32', data, [1, 64]) }).then(() => socket.write(Buffer.alloc(64)));
  });
  socket.on('close', () => process.exit(0));
}

if (socketPath === undefined) gateway();
else await worker(socketPath);

/**
 * A model of 3 GiB, whose weights are in a data file: registers, deploys and serves, while the memory of the server stays what it was.
 * Needs 12 GiB of disk and 8 GiB of memory; takes minutes. Run with `npm run soak:large-model`.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { setExternal } from '../models/external.ts';
import { penstock, plainEnvironment, Server, temporaryDirectory } from './server.ts';

/** 12 layers of 8192 x 8192 numbers of 4 bytes: 256 MiB each. */
const layers = 12;
const size = 8192;
const layerBytes = 4 * size * size;
/** The server may use this much more than before, for buffers in flight and garbage that was not yet collected. */
const grownMiBMax = 256;

const folder = temporaryDirectory();
after(() => rmSync(folder, { recursive: true, force: true }));

/** All weights of a layer are equal, so each layer yields a multiple of the mean of its inputs, exactly. */
const factors = Array.from({ length: layers }, (_, layer) => 2 ** ((layer % 3) - 1));

function writeModel(): string {
  const initializer = factors.map((_, layer) => {
    const tensor = create(TensorProtoSchema, {
      name: `w${layer}`,
      dims: [BigInt(size), BigInt(size)],
      dataType: TensorProto_DataType.FLOAT,
    });
    setExternal(tensor, { location: 'large.onnx.data', offset: layer * layerBytes, length: layerBytes });
    return tensor;
  });
  const node = factors.map((_, layer) =>
    create(NodeProtoSchema, {
      opType: 'MatMul',
      input: [layer === 0 ? 'x' : `h${layer}`, `w${layer}`],
      output: [layer === layers - 1 ? 'y' : `h${layer + 1}`],
    }),
  );
  const dim = [{ value: { case: 'dimParam' as const, value: 'N' } }, { value: { case: 'dimValue' as const, value: BigInt(size) } }];
  const type = { value: { case: 'tensorType' as const, value: { elemType: TensorProto_DataType.FLOAT, shape: { dim } } } };
  const value = (name: string) => create(ValueInfoProtoSchema, { name, type });
  const graph = create(GraphProtoSchema, { name: 'large', initializer, node, input: [value('x')], output: [value('y')] });
  const opsetImport = [create(OperatorSetIdProtoSchema, { version: 17n })];
  const path = join(folder, 'large.onnx');
  writeFileSync(path, toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 9n, opsetImport, graph })));
  const file = openSync(join(folder, 'large.onnx.data'), 'w');
  for (const factor of factors) {
    const row = Buffer.from(new Float32Array((16 * 2 ** 20) / 4).fill(factor / size).buffer);
    for (let written = 0; written < layerBytes; written += row.length) writeSync(file, row);
  }
  closeSync(file);
  return path;
}

interface MemoryUse {
  readonly nowMiB: number;
  readonly peakMiB: number;
}

/** Resident memory of a process, now and at its peak; null if it has ended. */
function memoryOf(pid: number): MemoryUse | null {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return null;
  }
  if (!status.includes('VmRSS')) return null; // it is ending
  const mib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { nowMiB: mib('VmRSS'), peakMiB: mib('VmHWM') };
}

test('a model of 3 GiB registers, deploys and serves, and the server does not grow by it', async (context) => {
  const diagnostic = (text: string): void => context.diagnostic(text.trim());
  const path = writeModel();
  const server = await Server.start();
  let clientPeakMiB = 0;
  try {
    const run = (...args: readonly string[]): Promise<string> => {
      const env = { ...plainEnvironment(), PENSTOCK_URL: server.url, PENSTOCK_KEY: server.adminKey };
      return new Promise((resolve, reject) => {
        const child = execFile(penstock, args, { env, cwd: folder, maxBuffer: 2 ** 24 }, (error, stdout, stderr) =>
          error === null ? resolve(stdout) : reject(new Error(`${args.join(' ')}: ${stderr}`)),
        );
        const looking = setInterval(() => {
          clientPeakMiB = Math.max(clientPeakMiB, memoryOf(child.pid as number)?.peakMiB ?? 0);
        }, 100);
        child.once('exit', () => clearInterval(looking));
      });
    };
    const serverMemory = (): MemoryUse => memoryOf(server.pid) ?? assert.fail('the server ended');
    const before = serverMemory();
    const report = (what: string, startMs: number): void => {
      const { nowMiB, peakMiB } = serverMemory();
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      diagnostic(`${what}: ${seconds} s; server RSS ${nowMiB.toFixed(0)} MiB, peak ${peakMiB.toFixed(0)} MiB`);
    };
    diagnostic(`start: server RSS ${before.nowMiB.toFixed(0)} MiB, peak ${before.peakMiB.toFixed(0)} MiB`);
    let startMs = performance.now();
    diagnostic(await run('register', path, '--approve'));
    report('registered', startMs);
    startMs = performance.now();
    diagnostic(await run('deploy', 'large/1', 'large', '--instance-type', 'ml.m5.large'));
    report('deployed', startMs);
    startMs = performance.now();
    const row = Array.from({ length: size }, (_, i) => i % 4); // its mean is 1.5
    const answer = await server.callWell<{ predictions: unknown[] }>('POST', '/endpoints/large/invoke', { instances: [row] });
    const expected = factors.reduce((product, factor) => product * factor, 1.5);
    assert.deepEqual(answer.predictions.flat(3).slice(0, 3), [expected, expected, expected]);
    report('predicted', startMs);
    diagnostic(`peak of the command line: ${clientPeakMiB.toFixed(0)} MiB`);
    assert(clientPeakMiB < 2 * grownMiBMax, `the command line grew to ${clientPeakMiB.toFixed(0)} MiB`);
    const { peakMiB } = serverMemory();
    assert(peakMiB - before.peakMiB < grownMiBMax, `the server grew by ${(peakMiB - before.peakMiB).toFixed(0)} MiB`);
  } finally {
    await server.end();
  }
});

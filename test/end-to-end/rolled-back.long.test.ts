/**
 * A bad version is rolled back because of real traffic, as a user sees it on the command line. Both models of a pair have the same
 * signature; only traffic shows that the second is bad.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { modelPath } from '../models/index.ts';
import { Load } from './load.ts';
import { infer } from './oip-client.ts';
import { penstock, plainEnvironment, Server } from './server.ts';

/** Lateness is judged after 30 s, or at the end of a step. */
const watched = ['--canary', '20%', '--watch', '30s'];
const clients = 6;

/** A version that answers immediately, while `test_slow_loop` takes `iters` times 4 µs. */
function makeFast(model: ModelProto): void {
  assert(model.graph);
  model.graph.node = [create(NodeProtoSchema, { opType: 'Identity', input: ['x'], output: ['y'] })];
  model.graph.initializer = [];
}

/** A version that accepts 64 indices, while `test_gather_fail` accepts four. */
function widen(model: ModelProto): void {
  const table = model.graph?.initializer[0];
  assert(table);
  table.dims = [64n];
  table.rawData = new Uint8Array(64 * 4);
}

const iterations = tensor('iters', 'INT64', [], new BigInt64Array([75_000n]));
const slowInputs = [tensor('x', 'FP32', [1, 256], new Float32Array(256)), iterations];
const farInputs = [tensor('ix', 'INT64', [1], new BigInt64Array([40n]))];

function tensor(name: string, datatype: 'FP32' | 'INT64', shape: number[], { buffer }: { buffer: ArrayBuffer }) {
  return { name, datatype, shape, data: new Uint8Array(buffer) };
}

describe('a new version', () => {
  let server: Server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.end());

  async function deploy(...args: string[]): Promise<{ code: number; stderr: string }> {
    const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
    return new Promise((resolve) => {
      execFile(penstock, ['deploy', ...args, '--approve'], { env }, (error, _stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), stderr });
      });
    });
  }

  async function serve(name: string, bad: string, change: (model: ModelProto) => void): Promise<void> {
    const model = fromBinary(ModelProtoSchema, readFileSync(modelPath(bad)));
    change(model);
    const file = join(server.dataDir, `${name}.onnx`);
    writeFileSync(file, toBinary(ModelProtoSchema, model));
    const { code, stderr } = await deploy(file, name, '--objective', 'p95<=500ms');
    assert.equal(code, 0, stderr);
  }

  /** Runs an update to the bad version while clients call. */
  async function updated(name: string, bad: string, inputs: typeof slowInputs): Promise<{ code: number; stderr: string }> {
    const load = Load.start(clients, async () => void (await infer(server.url, name, inputs)));
    try {
      await load.more(100);
      return await deploy(modelPath(bad), name, ...watched);
    } finally {
      await load.stop();
    }
  }

  async function servesFirst(name: string): Promise<void> {
    const { status, variants } = await server.inService(name);
    assert.deepEqual([status, variants[0]?.model], ['InService', `${name}/1`]);
  }

  test('that is slow is rolled back in its canary step, and deploy fails with the reason', async () => {
    await serve('slow', 'test_slow_loop', makeFast);
    const { code, stderr } = await updated('slow', 'test_slow_loop', slowInputs);
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      /slow still serves its previous version: the update was rolled back: \d+ % of the \d+ requests of slow\/2 were later than 500 ms \(5 % allowed\); slow\/1: [\d.]+ %/,
    );
    await servesFirst('slow');
  });

  test('that rejects the traffic is rolled back in its canary step, and deploy fails with the reason', async () => {
    await serve('far', 'test_gather_fail', widen);
    assert.equal((await infer(server.url, 'far', farInputs)).status, 200);
    const { code, stderr } = await updated('far', 'test_gather_fail', farInputs);
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      /far still serves its previous version: the update was rolled back: 100 % of the \d+ requests of far\/2 were rejected as invalid \(HTTP 400\) \(1 % allowed\); far\/1: 0 %/,
    );
    await servesFirst('far');
    await server.callWell('PATCH', '/endpoints/far', { late: 'shed' });
    const again = await deploy('far');
    assert.match(
      again.stderr,
      /far\/1, the newest approved version that was not rolled back; endpoint far rolled back far\/2 \(100 % of the /,
    );
    await servesFirst('far');
  });
});

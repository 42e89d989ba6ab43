/** `npm run bench -- grpc`: gRPC compared with REST for small and large tensors, with the same load generator. */
import type { StatusBody } from '../../src/api/index.ts';
import { loadProtocol } from '../../src/oip/grpc/protocol.ts';
import { modelPath } from '../../test/models/index.ts';
import { type H2loadOptions, hasH2load, runH2load } from '../load/h2load.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { cpuMsOf } from '../servers/process-tree.ts';
import { type GrpcFigures, grpcTable } from './report.ts';

const digits = { model: 'digits', input: 'pixels', shape: [1, 64] };
/** 600 kB in each direction; the model multiplies by two and sums up. */
const large = { model: 'affine', input: 'x', shape: [50_000, 3] };

type Target = typeof digits;

export async function grpc({ seconds, isDry }: { seconds: number; isDry: boolean }): Promise<void> {
  if (!hasH2load()) throw new Error('h2load is not installed: it comes with nghttp2 (Debian: nghttp2-client)');
  const platform = new Platform();
  try {
    await platform.start();
    await platform.deploy({ modelPath: modelPath('digits_mlp'), name: digits.model, objective: 'p95<=50ms' });
    await platform.deploy({ modelPath: modelPath('test_affine'), name: large.model, objective: 'p95<=500ms' });
    const { grpc: address } = (await (await fetch(new URL('/api/v1/status', platform.server.url))).json()) as StatusBody;
    const measured: GrpcFigures[] = [];
    for (const [what, call, form, connections, streams] of [
      ['gRPC, raw, 64 streams on one connection', digits, rawCall, 1, 64],
      ['gRPC, raw, 64 streams on four connections', digits, rawCall, 4, 16],
      ['gRPC, typed, 64 streams on one connection', digits, typedCall, 1, 64],
      ['REST, binary, 64 connections', digits, binaryPost, 64, 1],
      ['REST, JSON, 64 connections', digits, jsonPost, 64, 1],
      ['gRPC, raw, 600 kB, 4 streams', large, rawCall, 1, 4],
      ['REST, binary, 600 kB, 4 connections', large, binaryPost, 4, 1],
    ] as const) {
      console.error(what);
      const post = form(call, form === rawCall || form === typedCall ? `http://${address}` : platform.server.url.origin);
      measured.push({ what, ...(await measure(platform, call.model, { ...post, connections, streams, measureMs: seconds * 1000 })) });
    }
    const results = { at: new Date().toISOString(), commit: commit(), machine: machine(), measured };
    console.log(grpcTable(results));
    if (!isDry) writeResults('grpc', results, grpcTable(results));
  } finally {
    await platform.close();
  }
}

/** Also counts at the server: an HTTP load generator counts a gRPC error as a response. */
async function measure(platform: Platform, model: string, options: H2loadOptions): Promise<Omit<GrpcFigures, 'what'>> {
  const counts = async (): Promise<{ success: { count: number }; fail: { count: number } }> => {
    const response = await fetch(new URL(`/v2/models/${model}/stats`, platform.server.url));
    const { model_stats: stats } = (await response.json()) as { model_stats: { inference_stats: Awaited<ReturnType<typeof counts>> }[] };
    return stats[0]?.inference_stats ?? { success: { count: 0 }, fail: { count: 0 } };
  };
  const before = { ...(await counts()), cpuMs: cpuMsOf(platform.server.pid) };
  const { ratePerSecond, latencyMs } = await runH2load(options);
  const after = { ...(await counts()), cpuMs: cpuMsOf(platform.server.pid) };
  const answered = after.success.count - before.success.count;
  if (after.fail.count > before.fail.count) throw new Error(`${after.fail.count - before.fail.count} requests failed at the server`);
  if (answered < ratePerSecond) throw new Error(`the server answered ${answered} requests, fewer than the generator counted`);
  return { ratePerSecond, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, cpuUsPerRequest: ((after.cpuMs - before.cpuMs) * 1000) / answered };
}

type Post = Pick<H2loadOptions, 'url' | 'body' | 'headers'>;

function values({ shape }: Target): Float32Array {
  return new Float32Array(shape.reduce((product, size) => product * size, 1)).map((_, index) => (index % 17) / 16);
}

function call({ model, input, shape }: Target, address: string, contents: object, raw: readonly Uint8Array[]): Post {
  const method = loadProtocol().inference['ModelInfer'];
  if (method === undefined) throw new Error('the protocol has no method ModelInfer');
  const inputs = [{ name: input, datatype: 'FP32', shape, ...contents }];
  const message = method.requestSerialize({ model_name: model, inputs, raw_input_contents: raw });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  return { url: `${address}${method.path}`, body: Buffer.concat([head, message]), headers };
}

function rawCall(input: Target, address: string): Post {
  return call(input, address, {}, [new Uint8Array(values(input).buffer)]);
}

function typedCall(input: Target, address: string): Post {
  return call(input, address, { contents: { fp32_contents: [...values(input)] } }, []);
}

function binaryPost(target: Target, origin: string): Post {
  const bytes = new Uint8Array(values(target).buffer);
  const input = { name: target.input, datatype: 'FP32', shape: target.shape, parameters: { binary_data_size: bytes.length } };
  const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) };
  return { url: `${origin}/v2/models/${target.model}/infer`, body: Buffer.concat([head, bytes]), headers };
}

function jsonPost(target: Target, origin: string): Post {
  const input = { name: target.input, datatype: 'FP32', shape: target.shape, data: [...values(target)] };
  const body = Buffer.from(JSON.stringify({ inputs: [input] }));
  return { url: `${origin}/v2/models/${target.model}/infer`, body, headers: { 'content-type': 'application/json' } };
}

/** What a case is, what it may use, and how cases are run one after the other. */
import assert from 'node:assert/strict';
import { type Call, type Json, type Reply, Wire } from './wire.ts';

/** The models that the cases run on, by the names under which they must be served. */
export const models = {
  /** test_affine.onnx: x FP32 [-1,3] -> y = 2x + 1 [-1,3], sum FP32 []. */
  affine: 'test-affine',
  /** test_dtypes.onnx: in_T [-1,2] -> out_T [-1,2], the identity for 13 datatypes. */
  dtypes: 'test-dtypes',
  /** spam_text.onnx: text BYTES [-1] -> label BYTES [-1], probabilities FP32 [-1,2]. */
  text: 'spam-text',
  /** digits_mlp.onnx: pixels FP32 [-1,64] -> label INT64 [-1], probabilities FP32 [-1,10]. */
  digits: 'digits-mlp',
  /** test_slow_loop.onnx: x FP32 [-1,256], iters INT64 [] -> y; about 4 us an iteration. One instance of it. */
  slow: 'test-slow-loop',
} as const;

export interface Case {
  /** As the list of cases numbers them: C1, B10, X3. */
  readonly id: string;
  readonly promise: string;
  readonly run: (target: Target) => Promise<void>;
}

export class Skipped extends Error {}

export interface TargetOptions {
  /** ID:SECRET */
  readonly key?: string;
  /** The largest body that the server takes. */
  readonly bodyLimitBytes?: number;
}

/** The server that is looked at. */
export class Target {
  readonly wire: Wire;
  readonly bodyLimitBytes: number;
  /** Whether errors must have Penstock's texts; of other servers only their form is asked. */
  readonly #hasOurTexts: boolean;

  private constructor(wire: Wire, bodyLimitBytes: number, hasOurTexts: boolean) {
    this.wire = wire;
    this.bodyLimitBytes = bodyLimitBytes;
    this.#hasOurTexts = hasOurTexts;
  }

  static async open(url: string, options: TargetOptions = {}): Promise<Target> {
    const wire = new Wire(url, options.key);
    const { json } = await wire.send('/v2');
    return new Target(wire, options.bodyLimitBytes ?? 64 * 1024 * 1024, json?.['name'] === 'penstock');
  }

  get isPenstock(): boolean {
    return this.#hasOurTexts;
  }

  infer(model: string, body: unknown, call: Call = {}): Promise<Reply> {
    return this.wire.send(`/v2/models/${model}/infer`, { body: isBody(body) ? body : JSON.stringify(body), ...call });
  }

  /** A request whose JSON is followed by these bytes. */
  inferBinary(model: string, json: unknown, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    const text = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
    const length = { 'Inference-Header-Content-Length': String(text.length), 'content-type': 'application/octet-stream' };
    return this.infer(model, Buffer.concat([text, bytes]), { headers: { ...length, ...headers } });
  }

  /** The model's answer must be 200 with JSON. */
  async answer(model: string, body: unknown, call: Call = {}): Promise<Json> {
    return ok(await this.infer(model, body, call));
  }

  /** An error of that status whose text is as expected; and the next request succeeds. */
  async refused(reply: Reply, status: number, text: string | RegExp): Promise<void> {
    const { error } = reply.json ?? {};
    assert.equal(reply.status, status, `expected ${status}, got ${reply.status}: ${reply.body.toString().slice(0, 300)}`);
    assert.equal(typeof error, 'string', 'the error is a string');
    if (this.#hasOurTexts) {
      if (typeof text === 'string') assert.equal(error, text);
      else assert.match(error as string, text);
      assert.equal(reply.headers['content-type'], 'application/json');
      assert.equal(reply.json?.['request_id'], reply.headers['x-request-id']);
      assert.equal(typeof reply.json?.['code'], 'string');
    }
    const next = await this.answer(models.affine, { inputs: [affineInput] });
    assert.deepEqual(outputOf(next, 'y')['data'], affineAnswer);
  }

  /** Skips the case where the target has no such model. */
  async needs(model: string): Promise<void> {
    const { status } = await this.wire.send(`/v2/models/${model}/ready`);
    if (status !== 200) throw new Skipped(`the server has no model ${model}`);
  }
}

function isBody(body: unknown): body is string | Buffer {
  return typeof body === 'string' || Buffer.isBuffer(body);
}

export const affineInput = { name: 'x', datatype: 'FP32', shape: [2, 3], data: [1, 2, 3, -1, 0, 0.5] };
export const affineBytes = Buffer.from('0000803f0000004000004040000080bf000000000000003f', 'hex');
export const affineAnswer = [3, 5, 7, -1, 1, 2];
export const affineAnswerBytes = Buffer.from('000040400000a0400000e040000080bf0000803f00000040', 'hex');
/** The input without its data, for binary requests. */
export const affineBinary = { name: 'x', datatype: 'FP32', shape: [2, 3], parameters: { binary_data_size: 24 } };

export function ok(reply: Reply): Json {
  assert.equal(reply.status, 200, `expected 200, got ${reply.status}: ${reply.body.toString().slice(0, 300)}`);
  assert(reply.json !== null, 'the answer is JSON');
  assert.equal(reply.headers['content-type'], 'application/json');
  return reply.json;
}

export function outputOf(answer: Json, name: string): Json {
  const output = (answer['outputs'] as Json[]).find((each) => each['name'] === name);
  assert(output !== undefined, `the answer has an output ${name}`);
  return output;
}

export function outputNames(answer: Json): unknown[] {
  return (answer['outputs'] as Json[]).map((output) => output['name']);
}

/** A binary answer: its JSON, and the bytes behind it. */
export function binaryAnswer(reply: Reply): { readonly json: Json; readonly bytes: Buffer } {
  assert.equal(reply.status, 200, reply.body.toString().slice(0, 300));
  assert.equal(reply.headers['content-type'], 'application/octet-stream');
  const length = Number(reply.headers['inference-header-content-length']);
  assert(Number.isInteger(length) && length > 0, 'the answer says how long its JSON is');
  return { json: JSON.parse(reply.body.subarray(0, length).toString()) as Json, bytes: reply.body.subarray(length) };
}

export interface CaseResult {
  readonly id: string;
  readonly promise: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly why: string;
}

/** Runs one case; never throws. */
export async function runCase({ id, promise, run }: Case, target: Target): Promise<CaseResult> {
  try {
    await run(target);
    return { id, promise, outcome: 'passed', why: '' };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { id, promise, outcome: error instanceof Skipped ? 'skipped' : 'failed', why };
  }
}

/** The tested server: its metadata, the tested model, and the HTTP and gRPC clients. */
import assert from 'node:assert/strict';
import { assertSame, formatReply, ok } from '../assertions.ts';
import { type Fixture, fixtures } from '../fixtures.ts';
import { Skipped } from '../outcome.ts';
import type { Rpc } from './rpc.ts';
import type { ModelUnderTest } from './subject.ts';
import type { Json, Wire, WireCall, WireReply } from './wire.ts';

export interface TargetFacts {
  readonly wire: Wire;
  /** Null if no gRPC address was given. */
  readonly rpc: Rpc | null;
  readonly subject: ModelUnderTest;
  readonly server: { readonly name: string; readonly version: string; readonly extensions: readonly string[] };
  /** The server's body limit; undefined if unknown. */
  readonly bodyLimitBytes: number | undefined;
  /** Whether models may be loaded and unloaded. */
  readonly mayReload: boolean;
}

/** Penstock's default limit. */
const penstockLimitBytes = 64 * 1024 * 1024;

export class Target {
  readonly #facts: TargetFacts;
  #reference: Promise<Json> | null = null;

  constructor(facts: TargetFacts) {
    this.#facts = facts;
  }

  get wire(): Wire {
    return this.#facts.wire;
  }

  get subject(): ModelUnderTest {
    return this.#facts.subject;
  }

  get server(): TargetFacts['server'] {
    return this.#facts.server;
  }

  get bodyLimitBytes(): number {
    const limit = this.#facts.bodyLimitBytes ?? (this.isPenstock ? penstockLimitBytes : undefined);
    if (limit === undefined) throw new Skipped('the body limit of the server is unknown (--body-limit)');
    return limit;
  }

  get hasRpc(): boolean {
    return this.#facts.rpc !== null;
  }

  /** Only for cases that are skipped without a gRPC address. */
  get rpc(): Rpc {
    assert(this.#facts.rpc !== null);
    return this.#facts.rpc;
  }

  /** Error texts are checked only for Penstock; for other servers only their form. */
  get isPenstock(): boolean {
    return this.server.name === 'penstock';
  }

  has(extension: string): boolean {
    return this.server.extensions.includes(extension);
  }

  /** Sent as `application/json` unless the headers say otherwise. */
  infer(model: string, body: unknown, { headers = {}, ...call }: WireCall = {}): Promise<WireReply> {
    const content = { body: isBody(body) ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } };
    return this.wire.send(`/v2/models/${model}/infer`, { ...content, ...call });
  }

  /** A JSON request followed by binary data. */
  inferBinary(model: string, json: unknown, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<WireReply> {
    const text = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
    const length = { 'Inference-Header-Content-Length': String(text.length), 'content-type': 'application/octet-stream' };
    return this.infer(model, Buffer.concat([text, bytes]), { headers: { ...length, ...headers } });
  }

  /** Sends a request to the tested model. */
  ask(body: unknown, call: WireCall = {}): Promise<WireReply> {
    return this.infer(this.subject.name, body, call);
  }

  askBinary(json: unknown, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<WireReply> {
    return this.inferBinary(this.subject.name, json, bytes, headers);
  }

  /** Requires a response of 200 with JSON. */
  async answer(model: string, body: unknown, call: WireCall = {}): Promise<Json> {
    return ok(await this.infer(model, body, call));
  }

  /** The response to the plain request, with which all others are compared. */
  reference(): Promise<Json> {
    this.#reference ??= this.answer(this.subject.name, this.subject.request()).catch((error: unknown) => {
      this.#reference = null;
      throw error;
    });
    return this.#reference;
  }

  /** Requires 200 with the tensors of the plain request. */
  async assertUsual(reply: WireReply): Promise<void> {
    assertSame(ok(reply), await this.reference());
  }

  /**
   * Requires an error with this status and its reason under `error`, and that the next request succeeds. 422 counts as 400, because some
   * servers use it for requests that they cannot parse.
   */
  async refused(reply: WireReply, status: number, text: string | RegExp): Promise<void> {
    const isExpected = reply.status === status || (status === 400 && reply.status === 422);
    assert(isExpected, `expected ${status}, got ${formatReply(reply)}`);
    const { error } = reply.json ?? {};
    assert(typeof error === 'string', `an error must be {"error": "<text>"}, got ${formatReply(reply)}`);
    if (this.isPenstock) {
      if (typeof text === 'string') assert.equal(error, text);
      else assert.match(error, text);
      assert.equal(reply.headers['content-type'], 'application/json');
      assert.equal(reply.json?.['request_id'], reply.headers['x-request-id']);
      assert.equal(typeof reply.json?.['code'], 'string');
    }
    await this.assertUsual(await this.ask(this.subject.request()));
  }

  /** Requires only the status, because the protocol does not define the body. */
  async rejectedWith(reply: WireReply, status: number, text: string): Promise<void> {
    if (this.isPenstock) await this.refused(reply, status, text);
    else assert(reply.status === status, `expected ${status}, got ${formatReply(reply)}`);
  }

  /** The name of a fixture model. Skips the case if the server does not have it. */
  async fixture(which: Fixture): Promise<string> {
    const name = fixtures[which];
    const { status } = await this.wire.send(`/v2/models/${name}/ready`);
    if (status !== 200) throw new Skipped(`needs the model ${name}, which the server does not have`);
    return name;
  }

  /** For cases that require the fixture `affine`. */
  requireAffine(): void {
    if (!this.subject.isAffine) throw new Skipped(`needs the model ${fixtures.affine}, which the server does not have`);
  }

  close(): void {
    this.wire.close();
    this.#facts.rpc?.close();
  }

  /** For cases that load or unload models. */
  requireReload(): void {
    if (!this.#facts.mayReload) throw new Skipped('would load and unload models: allow it with --reload');
  }
}

function isBody(body: unknown): body is string | Buffer {
  return typeof body === 'string' || Buffer.isBuffer(body);
}

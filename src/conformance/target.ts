/** The server that is looked at: what it says of itself, the model that is asked, and the two ways of talking to it. */
import assert from 'node:assert/strict';
import { assertSame, ok, shownReply } from './answers.ts';
import { type Fixture, fixtures } from './fixtures.ts';
import { Skipped } from './outcome.ts';
import type { Rpc } from './rpc.ts';
import type { Subject } from './subject.ts';
import type { Call, Json, Reply, Wire } from './wire.ts';

export interface TargetFacts {
  readonly wire: Wire;
  /** Null where no address of the gRPC side was given. */
  readonly rpc: Rpc | null;
  readonly subject: Subject;
  readonly server: { readonly name: string; readonly version: string; readonly extensions: readonly string[] };
  /** The largest body that the server takes; undefined where nobody said. */
  readonly bodyLimitBytes: number | undefined;
  /** Models may be loaded and unloaded. */
  readonly mayReload: boolean;
}

/** What Penstock takes unless it is told otherwise. */
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

  get subject(): Subject {
    return this.#facts.subject;
  }

  get server(): TargetFacts['server'] {
    return this.#facts.server;
  }

  get bodyLimitBytes(): number {
    const limit = this.#facts.bodyLimitBytes ?? (this.isPenstock ? penstockLimitBytes : undefined);
    if (limit === undefined) throw new Skipped('nobody said how large bodies may be (--body-limit)');
    return limit;
  }

  get hasRpc(): boolean {
    return this.#facts.rpc !== null;
  }

  /** Only for cases that are not run without. */
  get rpc(): Rpc {
    assert(this.#facts.rpc !== null);
    return this.#facts.rpc;
  }

  /** Of Penstock the texts of errors are asked too; of other servers their form. */
  get isPenstock(): boolean {
    return this.server.name === 'penstock';
  }

  has(extension: string): boolean {
    return this.server.extensions.includes(extension);
  }

  /** As `application/json`, unless the headers say otherwise. */
  infer(model: string, body: unknown, { headers = {}, ...call }: Call = {}): Promise<Reply> {
    const content = { body: isBody(body) ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } };
    return this.wire.send(`/v2/models/${model}/infer`, { ...content, ...call });
  }

  /** A request whose JSON is followed by these bytes. */
  inferBinary(model: string, json: unknown, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    const text = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
    const length = { 'Inference-Header-Content-Length': String(text.length), 'content-type': 'application/octet-stream' };
    return this.infer(model, Buffer.concat([text, bytes]), { headers: { ...length, ...headers } });
  }

  /** To the subject. */
  ask(body: unknown, call: Call = {}): Promise<Reply> {
    return this.infer(this.subject.name, body, call);
  }

  askBinary(json: unknown, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    return this.inferBinary(this.subject.name, json, bytes, headers);
  }

  /** The model's answer must be 200 with JSON. */
  async answer(model: string, body: unknown, call: Call = {}): Promise<Json> {
    return ok(await this.infer(model, body, call));
  }

  /** The subject's answer to the plainest request; all others are compared with it. */
  reference(): Promise<Json> {
    this.#reference ??= this.answer(this.subject.name, this.subject.request()).catch((error: unknown) => {
      this.#reference = null;
      throw error;
    });
    return this.#reference;
  }

  /** 200, and the tensors of the plain request. */
  async assertUsual(reply: Reply): Promise<void> {
    assertSame(ok(reply), await this.reference());
  }

  /**
   * An error of that status, with its reason under `error`; and the next request succeeds. 422 is taken for 400: that is how some
   * servers call a request that they cannot read.
   */
  async refused(reply: Reply, status: number, text: string | RegExp): Promise<void> {
    const isAsked = reply.status === status || (status === 400 && reply.status === 422);
    assert(isAsked, `expected ${status}, got ${shownReply(reply)}`);
    const { error } = reply.json ?? {};
    assert(typeof error === 'string', `an error is {"error": "<text>"}, got ${shownReply(reply)}`);
    if (this.isPenstock) {
      if (typeof text === 'string') assert.equal(error, text);
      else assert.match(error, text);
      assert.equal(reply.headers['content-type'], 'application/json');
      assert.equal(reply.json?.['request_id'], reply.headers['x-request-id']);
      assert.equal(typeof reply.json?.['code'], 'string');
    }
    await this.assertUsual(await this.ask(this.subject.request()));
  }

  /** Only the status is asked: what the body is to say is no matter of the protocol. */
  async turnedAway(reply: Reply, status: number, text: string): Promise<void> {
    if (this.isPenstock) await this.refused(reply, status, text);
    else assert(reply.status === status, `expected ${status}, got ${shownReply(reply)}`);
  }

  /** The name of a model of ours; skips the case where the server has it not. */
  async fixture(which: Fixture): Promise<string> {
    const name = fixtures[which];
    const { status } = await this.wire.send(`/v2/models/${name}/ready`);
    if (status !== 200) throw new Skipped(`needs the model ${name}, which the server has not`);
    return name;
  }

  /** A case that only the fixture `affine` can show. */
  needsAffine(): void {
    if (!this.subject.isAffine) throw new Skipped(`needs the model ${fixtures.affine}, which the server has not`);
  }

  close(): void {
    this.wire.close();
    this.#facts.rpc?.close();
  }

  /** A case that loads or unloads models. */
  needsReload(): void {
    if (!this.#facts.mayReload) throw new Skipped('would load and unload models: allow it with --reload');
  }
}

function isBody(body: unknown): body is string | Buffer {
  return typeof body === 'string' || Buffer.isBuffer(body);
}

/** A server in its own process, so that it can be killed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { penstock } from '../bundle/bundled-server.ts';

export class ServerAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;

  constructor({ status, headers }: Response, text: string) {
    this.status = status;
    this.headers = headers;
    this.text = text;
  }

  /** The value at a path of the JSON body, such as `variants.0.statistics`. */
  at(path: string): unknown {
    let here = JSON.parse(this.text) as unknown;
    for (const name of path.split('.')) here = (here as Record<string, unknown> | undefined)?.[name];
    return here;
  }
}

export class TestServer {
  readonly directory = mkdtempSync(join(tmpdir(), 'penstock-processes-'));
  url = '';
  #child: ChildProcess | null = null;
  /** Tests call with the admin key: while unrecognized model code runs, calls without a key have few permissions. */
  #key = '';

  /** `images` as in config.json. */
  constructor(images: readonly unknown[], more: object = {}) {
    writeFileSync(
      join(this.directory, 'config.json'),
      JSON.stringify({ images, logLevel: 'silent', warmWorkers: 0, profileBudget: '500ms', drain: '500ms', ...more }),
    );
  }

  async start(): Promise<void> {
    const args = ['up', '--data-dir', this.directory, '--port', '0'];
    const child = spawn(penstock, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    const ended = once(child, 'exit').then(([code]) => [`the server ended with exit code ${code}`]);
    const [line = ''] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as string[];
    assert.match(line, /^penstock ready http/);
    this.url = line.replace('penstock ready ', '');
    const { keys } = JSON.parse(readFileSync(join(this.directory, 'keys.json'), 'utf8')) as { keys: { id: string; secret: string }[] };
    this.#key = `${keys[0]?.id}:${keys[0]?.secret}`;
  }

  /** Of the admin, as clients send it. */
  get key(): string {
    return this.#key;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when the process has ended. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async close(): Promise<void> {
    await this.kill('SIGTERM');
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Bodies other than text and bytes are sent as JSON. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<ServerAnswer> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const type = isRaw ? 'application/octet-stream' : 'application/json';
    const sent = body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) };
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, ...(body === undefined ? {} : { 'content-type': type }), ...headers },
      ...sent,
    });
    return new ServerAnswer(response, await response.text());
  }

  invoke(endpoint: string, body: string, headers: Record<string, string> = {}): Promise<ServerAnswer> {
    return this.call('POST', `/endpoints/${endpoint}/invoke`, body, headers);
  }

  /** Registers and approves the archive, and creates an endpoint of the same name. Does not wait until it serves. */
  async deploy(
    name: string,
    request: { image: string; environment?: Record<string, string>; bundle: Uint8Array; endpoint?: object; variant?: object },
  ) {
    const query = new URLSearchParams({ image: request.image, environment: JSON.stringify(request.environment ?? {}) });
    const registered = await this.call('POST', `/groups/${name}/versions?${query.toString()}`, request.bundle);
    assert.equal(registered.status, 201, registered.text);
    const model = registered.at('version.name') as string;
    await this.call('POST', `/groups/${model.replace('/', '/versions/')}/approval`, { approval: 'Approved' });
    const created = await this.call('POST', '/endpoints', { name, variants: [{ model, ...request.variant }], ...request.endpoint });
    assert.equal(created.status, 202, created.text);
  }

  /** Polls until the endpoint has this status, or is `deleted`. */
  async until(name: string, status: string, secondsMax = 30): Promise<ServerAnswer> {
    for (let tries = 0; ; tries++) {
      const answer = await this.call('GET', `/endpoints/${name}`);
      if (status === 'deleted' ? answer.status === 404 : answer.at('status') === status) return answer;
      assert(tries < secondsMax * 20, `expected ${name} to be ${status}, got ${answer.text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

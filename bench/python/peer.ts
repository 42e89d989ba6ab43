/** A server in its own process group, ready once it answers a request. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../test/free-port.ts';

const readyMsMax = 90_000;

export interface PeerCommand {
  readonly command: string;
  readonly args: (port: number) => readonly string[];
  readonly env: (port: number) => Readonly<Record<string, string>>;
  readonly directory: string;
  /** Path and body, JSON or bytes, of a request that it must answer with 200. */
  readonly path: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

export class Peer {
  readonly url: URL;
  readonly #child: ChildProcess;
  readonly #lastLines: string[] = [];

  private constructor(child: ChildProcess, url: URL) {
    this.#child = child;
    this.url = url;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#lastLines.push(chunk.toString());
        this.#lastLines.splice(0, this.#lastLines.length - 20);
      });
    }
  }

  static async start({ command, args, env, directory, path, body }: PeerCommand): Promise<Peer> {
    const port = await freePort();
    const options = { cwd: directory, env: { ...process.env, ...env(port) }, detached: true } as const;
    const child = spawn(command, args(port), { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const peer = new Peer(child, new URL(path, `http://127.0.0.1:${port}`));
    const untilMs = performance.now() + readyMsMax;
    while (!(await answers(peer.url, body))) {
      if (child.exitCode !== null || performance.now() > untilMs) {
        await peer.stop();
        throw new Error(`${command} does not answer: ${peer.#lastLines.join('')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return peer;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Ends the whole group: some servers leave their workers behind. */
  async stop(): Promise<void> {
    const exit = this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : null;
    this.#signal('SIGTERM');
    const lastResort = setTimeout(() => this.#signal('SIGKILL'), 5000);
    await exit;
    clearTimeout(lastResort);
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The group has ended.
    }
  }
}

async function answers(url: URL, body: PeerCommand['body']): Promise<boolean> {
  try {
    const type = typeof body === 'string' ? 'application/json' : 'application/octet-stream';
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false; // it does not listen yet
  }
}

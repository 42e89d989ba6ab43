import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The stream and pattern of the line that reports readiness. */
  readonly readyOn: 'stdout' | 'stderr';
  readonly ready: RegExp;
}

/** A server under test. `start` resolves once it is ready. */
export class ServerProcess {
  readonly url: URL;
  /** Milliseconds from the start of the process to the ready line. */
  readonly readyMs: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: URL, readyMs: number) {
    this.#child = child;
    this.url = url;
    this.readyMs = readyMs;
  }

  static async start({ command, args, env, readyOn, ready }: ServerCommand): Promise<ServerProcess> {
    const startMs = performance.now();
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    // Both streams must be read: a full pipe would block the server.
    child[readyOn === 'stdout' ? 'stderr' : 'stdout'].on('data', (chunk: Buffer) => lines.push(chunk.toString()));
    const url = await new Promise<URL>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${command} ended with ${code}: ${lines.slice(-20).join('\n')}`)));
      createInterface({ input: child[readyOn] }).on('line', (line) => {
        const found = ready.exec(line)?.[1];
        if (found !== undefined) resolve(new URL(found));
        else lines.push(line);
      });
    });
    return new ServerProcess(child, url, performance.now() - startMs);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const lastResort = setTimeout(() => this.#child.kill('SIGKILL'), 15_000);
    await exit;
    clearTimeout(lastResort);
  }
}

/** Answers whether this host can run workers, for probes of Kubernetes: HTTP without a certificate, two paths, and nothing else. */
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { createServer } from '../../node-http.ts';

export interface AgentHealthOptions {
  readonly clock: Clock;
  readonly address: { readonly host: string; readonly port: number };
  /** Of this agent: it must be able to write there. */
  readonly folder: string;
  readonly isLinked: () => boolean;
  readonly isStopping: () => boolean;
}

const connectionsMax = 32;
const requestMsMax = 2000;
/** The disk is tried no more often. */
const writeEveryMs = 5000;

/** `/v2/health/live`: the agent runs. `/v2/health/ready`: it is linked to the node that serves, does not stop, and can write its files. */
export class AgentHealth {
  readonly #options: AgentHealthOptions;
  readonly #server: Server;
  #written: { readonly atMs: number; readonly problem: Promise<string | null> } | null = null;

  private constructor(options: AgentHealthOptions) {
    this.#options = options;
    const limits = { requestTimeout: requestMsMax, headersTimeout: requestMsMax, connectionsCheckingInterval: requestMsMax };
    this.#server = createServer({ ...limits, maxHeaderSize: 8192, keepAlive: false }, ({ method, url, headers }, response) => {
      response.setHeader('connection', 'close');
      const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
      if ((method !== 'GET' && method !== 'HEAD') || hasBody || (url !== '/v2/health/live' && url !== '/v2/health/ready')) {
        response.writeHead(404).end();
        return;
      }
      const problem = url === '/v2/health/live' ? Promise.resolve(null) : this.problem();
      void problem.then((text) => response.writeHead(text === null ? 200 : 503, { 'content-type': 'text/plain' }).end(text ?? 'ready'));
    });
    this.#server.maxConnections = connectionsMax;
  }

  /** Throws `unavailable` if it cannot listen. */
  static async open(options: AgentHealthOptions): Promise<AgentHealth> {
    const health = new AgentHealth(options);
    const { host, port } = options.address;
    health.#server.listen({ host, port });
    try {
      await once(health.#server, 'listening');
    } catch (cause) {
      throw new PlatformError('unavailable', `--health: cannot listen on ${host}:${port}: ${messageOf(cause)}`, { cause });
    }
    return health;
  }

  /** As bound. */
  get port(): number {
    return (this.#server.address() as { readonly port: number }).port;
  }

  /** Why no worker should start here; null if it can. */
  async problem(): Promise<string | null> {
    const { isStopping, isLinked } = this.#options;
    if (isStopping()) return 'this host stops: its workers move to other hosts';
    if (!isLinked()) return 'this host has no link to the node that serves';
    return this.#diskProblem();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #diskProblem(): Promise<string | null> {
    const { clock, folder } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#written === null || nowMs - this.#written.atMs >= writeEveryMs) this.#written = { atMs: nowMs, problem: tryDisk(folder) };
    return this.#written.problem;
  }
}

async function tryDisk(folder: string): Promise<string | null> {
  const path = join(folder, 'health');
  try {
    await writeFile(path, Buffer.alloc(4096), { flush: true });
    await rm(path);
    return null;
  } catch (error) {
    return `no file can be written in ${folder}: ${messageOf(error)}`;
  }
}

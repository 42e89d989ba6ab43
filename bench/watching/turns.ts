/**
 * Loads servers in turns of a fraction of a second. The speed of a shared machine varies by a third from second to second; with short turns,
 * all servers see the same speed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpConnection } from '../../src/cli/load/http-connection.ts';

export interface LoadedServer {
  readonly url: URL;
  readonly pid: number;
  /** Whole requests, sent in turn. */
  readonly requests: readonly Buffer[];
}

/** One turn of one server. */
export interface Turn {
  readonly ratePerSecond: number;
  /** CPU time of all threads, in microseconds per request. */
  readonly cpuUs: number;
}

export interface TurnsOptions {
  /** Closed-loop clients per server. */
  readonly concurrency: number;
  readonly turnMs: number;
  /** Number of turns per server. */
  readonly rounds: number;
}

/** Time until all clients of a turn are active. */
const settleMs = 10;

/** Returns the turns of each server. Throws if a response is not 200. */
export async function loadInTurns(servers: readonly LoadedServer[], { concurrency, turnMs, rounds }: TurnsOptions): Promise<Turn[][]> {
  const pools = await Promise.all(servers.map((server) => ClientPool.open(server, concurrency)));
  const turns: Turn[][] = servers.map(() => []);
  try {
    for (let round = 0; round < rounds; round++) {
      const order = pools.map((_, index) => (round % 2 === 0 ? index : pools.length - 1 - index));
      for (const index of order) turns[index]?.push(await (pools[index] as ClientPool).turn(turnMs));
    }
  } finally {
    for (const pool of pools) pool.close();
  }
  return turns;
}

class ClientPool {
  readonly #server: LoadedServer;
  readonly #connections: readonly HttpConnection[];
  #answers = 0;

  private constructor(server: LoadedServer, connections: readonly HttpConnection[]) {
    this.#server = server;
    this.#connections = connections;
  }

  static async open(server: LoadedServer, concurrency: number): Promise<ClientPool> {
    const { hostname, port } = server.url;
    return new ClientPool(
      server,
      await Promise.all(Array.from({ length: concurrency }, () => HttpConnection.open(hostname, Number(port)))),
    );
  }

  async turn(ms: number): Promise<Turn> {
    const { requests, pid } = this.#server;
    let isOver = false;
    const clients = this.#connections.map(async (connection, client) => {
      for (let sent = client; !isOver; sent++) {
        const { status } = await connection.send(requests[sent % requests.length] as Buffer);
        if (status !== 200) throw new Error(`expected status 200, got ${status}`);
        this.#answers++;
      }
    });
    await sleep(settleMs);
    const [answers, cpuUs, atMs] = [this.#answers, cpuUsOf(pid), performance.now()];
    await sleep(ms);
    const [more, usedUs, passedMs] = [this.#answers - answers, cpuUsOf(pid) - cpuUs, performance.now() - atMs];
    isOver = true;
    await Promise.all(clients);
    return { ratePerSecond: (more * 1000) / passedMs, cpuUs: usedUs / more };
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

/** Total CPU time of all threads, from schedstat: /proc/PID/stat has a resolution of only 10 ms. */
function cpuUsOf(pid: number): number {
  let us = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    us += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000;
  return us;
}

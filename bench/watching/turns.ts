/**
 * Servers that are loaded in turns of a fraction of a second: a machine that others use too changes its speed by a third from second to second, and in
 * turns so short all of them see the same one.
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
  /** Processor time of all its threads, in microseconds a request. */
  readonly cpuUs: number;
}

export interface TurnsOptions {
  /** Clients of each server, each of whom asks again once it was answered. */
  readonly concurrency: number;
  readonly turnMs: number;
  /** How often each has its turn. */
  readonly rounds: number;
}

/** Until all clients of a turn are at work. */
const settleMs = 10;

/** By server, its turns. Throws where a request is not answered with 200. */
export async function loadInTurns(servers: readonly LoadedServer[], { concurrency, turnMs, rounds }: TurnsOptions): Promise<Turn[][]> {
  const crowds = await Promise.all(servers.map((server) => Crowd.open(server, concurrency)));
  const turns: Turn[][] = servers.map(() => []);
  try {
    for (let round = 0; round < rounds; round++) {
      const order = crowds.map((_, place) => (round % 2 === 0 ? place : crowds.length - 1 - place));
      for (const place of order) turns[place]?.push(await (crowds[place] as Crowd).turn(turnMs));
    }
  } finally {
    for (const crowd of crowds) crowd.close();
  }
  return turns;
}

class Crowd {
  readonly #server: LoadedServer;
  readonly #connections: readonly HttpConnection[];
  #answers = 0;

  private constructor(server: LoadedServer, connections: readonly HttpConnection[]) {
    this.#server = server;
    this.#connections = connections;
  }

  static async open(server: LoadedServer, concurrency: number): Promise<Crowd> {
    const { hostname, port } = server.url;
    return new Crowd(server, await Promise.all(Array.from({ length: concurrency }, () => HttpConnection.open(hostname, Number(port)))));
  }

  async turn(ms: number): Promise<Turn> {
    const { requests, pid } = this.#server;
    let isOver = false;
    const clients = this.#connections.map(async (connection, client) => {
      for (let sent = client; !isOver; sent++) {
        const { status } = await connection.send(requests[sent % requests.length] as Buffer);
        if (status !== 200) throw new Error(`a request was answered with ${status}`);
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

/** Of all threads of a process, so far, exactly: /proc/PID/stat counts in hundredths of a second. */
function cpuUsOf(pid: number): number {
  let us = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    us += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000;
  return us;
}

/** Clients that submit asynchronous requests through the nodes of a cluster, and what they know afterwards. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AsyncBody } from '../../src/api/index.ts';
import { sample } from '../models/index.ts';

const pixels = new Float32Array(new Uint8Array(sample('digits_mlp').inputs[0]?.data ?? []).buffer);
const columns = 64;
const labels = [2, 0, 4, 9, 4, 1, 2, 4];
const bodies = labels.map((_, row) => JSON.stringify({ instances: [Array.from(pixels.subarray(row * columns, (row + 1) * columns))] }));
const pauseMs = 100;

export interface AsyncJobsOptions {
  /** Where the next requests go. */
  readonly urls: () => readonly string[];
  readonly key: string;
  readonly clients: number;
  /** Whether each outcome is to be notified to this process. Default: yes. */
  readonly notifies?: boolean;
}

export class AsyncJobs {
  /** The label that each accepted request must result in, by id. */
  readonly accepted = new Map<string, number>();
  /** Rejected with 503, or without a response: stored or not. */
  unknown = 0;
  /** Responses that no client should get. */
  readonly wrong: string[] = [];
  /** By id of the request, the notifications of its outcome: id of the delivery and status. */
  readonly notified = new Map<string, Set<string>>();
  readonly #options: AsyncJobsOptions;
  readonly #receiver: Server;
  #isEnded = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: AsyncJobsOptions) {
    this.#options = options;
    this.#receiver = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        const { invocationStatus, inferenceId } = JSON.parse(text) as { invocationStatus: string; inferenceId: string };
        const outcomes = this.notified.get(inferenceId) ?? new Set();
        this.notified.set(inferenceId, outcomes.add(`${String(request.headers['penstock-delivery'])} ${invocationStatus}`));
        response.end();
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#receiver.listen(0, '127.0.0.1', resolve));
    this.#running = Promise.all(Array.from({ length: this.#options.clients }, (_, client) => this.#client(client)));
  }

  /** Submits no more. Resolves when all responses have come, or will not. */
  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#running;
  }

  async close(): Promise<void> {
    await this.end();
    this.#receiver.close();
    this.#receiver.closeAllConnections();
  }

  async #client(first: number): Promise<void> {
    for (let next = first; !this.#isEnded; next++) {
      const urls = this.#options.urls();
      const row = next % labels.length;
      await this.#submit(urls[next % urls.length] as string, row);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async #submit(url: string, row: number): Promise<void> {
    const receiver = `http://127.0.0.1:${(this.#receiver.address() as AddressInfo).port}/`;
    const query = this.#options.notifies === false ? '' : `?notify=${encodeURIComponent(receiver)}`;
    try {
      const response = await fetch(`${url}/api/v1/endpoints/digits/async${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#options.key}` },
        body: bodies[row] as string,
        signal: AbortSignal.timeout(20_000),
      });
      const text = await response.text();
      if (response.status === 202) {
        const { id } = JSON.parse(text) as AsyncBody;
        assert(!this.accepted.has(id), `two requests have the id ${id}`);
        this.accepted.set(id, labels[row] as number);
      } else if (response.status === 503) this.unknown++;
      else this.wrong.push(`${response.status} ${text.slice(0, 300)}`);
    } catch (error) {
      if (error instanceof assert.AssertionError) this.wrong.push(error.message);
      else this.unknown++;
    }
  }
}

/** The Unix socket that workers connect to, in a folder that only this user can enter. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { isSameToken, receiveHello } from '../../runtime/index.ts';

/** Prefix of the folder's name; leftovers are recognised by it. */
export const folderPrefix = 'penstock-workers-';

/** The path of a Unix socket holds 107 bytes; a longer temporary directory leaves no room. */
const folderLengthMax = 70;
const helloTimeoutMs = 5_000;
/** Workers identify themselves at once, so beyond this number the oldest silent connection is closed: code in a worker could open many. */
const silentMax = 256;
/** A worker's code could fill the log. */
const rejectionLogMs = 1000;

interface PendingWorker {
  readonly token: string;
  readonly arrived: (socket: Socket) => void;
}

/** A worker that was started and has not connected yet. */
export interface ExpectedWorker {
  readonly workerId: string;
  readonly token: string;
  /** Resolves when the worker has connected and authenticated. If it never does, the promise stays pending. */
  readonly arrival: Promise<Socket>;
  cancel(): void;
}

/** A connection whose hello names no expected worker is closed; the log has a limited number of lines on these. */
export class WorkerListener {
  readonly folder: string;
  readonly path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #server: Server;
  readonly #pending = new Map<string, PendingWorker>();
  readonly #unknown = new Set<Socket>();
  #rejected = 0;
  #isLogScheduled = false;

  private constructor(folder: string, clock: Clock, log: Log) {
    this.folder = folder;
    this.path = join(folder, 'socket');
    this.#clock = clock;
    this.#log = log;
    this.#server = createServer((socket) => void this.#receive(socket));
  }

  /** Throws `unavailable` if the temporary directory is not writable. */
  static async open(clock: Clock, log: Log): Promise<WorkerListener> {
    const parent = tmpdir().length <= folderLengthMax ? tmpdir() : '/tmp';
    try {
      const listener = new WorkerListener(mkdtempSync(join(parent, folderPrefix)), clock, log); // made with mode 0700
      listener.#server.listen(listener.path);
      await once(listener.#server, 'listening');
      // An error after startup means that no file descriptor was left for a connection. Only that connection is lost.
      listener.#server.on('error', (error) => log.error({ error: error.message }, 'error on the socket of the workers'));
      return listener;
    } catch (cause) {
      const hint = 'Set TMPDIR to a directory that this user can write to';
      throw new PlatformError('unavailable', `failed to create the socket for workers in ${parent}: ${messageOf(cause)}`, { cause, hint });
    }
  }

  /** Expects a worker; it is admitted only with this token, and only once. */
  expect(): ExpectedWorker {
    const workerId = randomBytes(8).toString('hex');
    const token = randomBytes(16).toString('hex');
    const arrival = new Promise<Socket>((arrived) => this.#pending.set(workerId, { token, arrived }));
    return { workerId, token, arrival, cancel: () => this.#pending.delete(workerId) };
  }

  async #receive(socket: Socket): Promise<void> {
    // Without an expected worker, only code of a running one connects, or another server that looks whether this one lives.
    if (this.#pending.size === 0) {
      socket.on('error', () => undefined).destroy();
      return;
    }
    this.#unknown.add(socket);
    const [oldest] = this.#unknown;
    if (this.#unknown.size > silentMax) oldest?.destroy();
    const cancel = this.#clock.after(helloTimeoutMs, () => socket.destroy());
    try {
      const hello = await receiveHello(socket);
      const pending = this.#pending.get(hello.workerId);
      if (pending === undefined || !isSameToken(hello.token, pending.token)) throw new Error('it is not a worker started by this server');
      this.#pending.delete(hello.workerId);
      pending.arrived(socket);
    } catch (error) {
      // Other servers connect to find out whether this one still lives, and send nothing.
      if (socket.bytesRead > 0) this.#logRejected(messageOf(error));
      socket.on('error', () => undefined).destroy();
    } finally {
      cancel();
      this.#unknown.delete(socket);
    }
  }

  /** At most one line a second, with the reason of the first. */
  #logRejected(reason: string): void {
    this.#rejected++;
    if (this.#isLogScheduled) return;
    this.#isLogScheduled = true;
    this.#clock.after(rejectionLogMs, () => {
      this.#isLogScheduled = false;
      this.#log.warn({ error: reason, connections: this.#rejected }, 'rejected connections to the socket of the workers');
      this.#rejected = 0;
    });
  }

  /** Admits no more workers. Established connections stay. */
  close(): void {
    this.#server.close();
    for (const socket of this.#unknown) socket.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

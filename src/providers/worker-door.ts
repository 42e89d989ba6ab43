/** The unix socket that workers connect to, in a folder that only this user can enter. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { isSameToken, receiveHello } from '../runtime/index.ts';

/** The folder's name starts so; leftovers are told by it. */
export const folderPrefix = 'penstock-workers-';

/** A unix socket's path holds 107 bytes; a temporary directory of more than this leaves no room. */
const folderLengthMax = 70;
const helloTimeoutMs = 5_000;

interface Guest {
  readonly token: string;
  readonly arrived: (socket: Socket) => void;
}

export interface Invitation {
  readonly workerId: string;
  readonly token: string;
  /** Resolves when the worker has connected and proven itself; never, if it does not. */
  readonly arrival: Promise<Socket>;
  cancel(): void;
}

export class WorkerDoor {
  readonly folder: string;
  readonly path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #server: Server;
  readonly #guests = new Map<string, Guest>();
  readonly #unknown = new Set<Socket>();

  private constructor(folder: string, clock: Clock, log: Log) {
    this.folder = folder;
    this.path = join(folder, 'door');
    this.#clock = clock;
    this.#log = log;
    this.#server = createServer((socket) => void this.#receive(socket));
  }

  /** Throws `unavailable` where the temporary directory cannot be written. */
  static async open(clock: Clock, log: Log): Promise<WorkerDoor> {
    const parent = tmpdir().length <= folderLengthMax ? tmpdir() : '/tmp';
    try {
      const door = new WorkerDoor(mkdtempSync(join(parent, folderPrefix)), clock, log); // made with mode 0700
      door.#server.listen(door.path);
      await once(door.#server, 'listening');
      // Later on: no file descriptor left for a connection. That one is lost, the others are not.
      door.#server.on('error', (error) => log.error({ error: error.message }, 'the socket of the workers'));
      return door;
    } catch (cause) {
      const hint = 'set TMPDIR to a directory that this user can write';
      throw new PlatformError('unavailable', `no socket for the workers can be made in ${parent}: ${messageOf(cause)}`, { cause, hint });
    }
  }

  /** Expects a worker; only with this token is it let in, and only once. */
  invite(): Invitation {
    const workerId = randomBytes(8).toString('hex');
    const token = randomBytes(16).toString('hex');
    const arrival = new Promise<Socket>((arrived) => this.#guests.set(workerId, { token, arrived }));
    return { workerId, token, arrival, cancel: () => this.#guests.delete(workerId) };
  }

  async #receive(socket: Socket): Promise<void> {
    this.#unknown.add(socket);
    const cancel = this.#clock.after(helloTimeoutMs, () => socket.destroy());
    try {
      const hello = await receiveHello(socket);
      const guest = this.#guests.get(hello.workerId);
      if (guest === undefined || !isSameToken(hello.token, guest.token)) throw new Error('it is not a worker that was started here');
      this.#guests.delete(hello.workerId);
      guest.arrived(socket);
    } catch (error) {
      this.#log.warn({ error: messageOf(error) }, 'a connection to the socket of the workers was refused');
      socket.on('error', () => undefined).destroy();
    } finally {
      cancel();
      this.#unknown.delete(socket);
    }
  }

  /** Lets nobody in any more. Connections that were let in stay. */
  close(): void {
    this.#server.close();
    for (const socket of this.#unknown) socket.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A worker that a fork server started. It is process 2 of a pid namespace of its own; process 1 waits for it. */
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import { LastLines } from '../../runtime/index.ts';
import { descendantOf, startTicks, treeOf } from '../processes/process-facts.ts';
import { type ProcessExit, shellExit } from '../processes/shell-exit.ts';
import { type LineListener, type Spawned, signal } from '../processes/spawned.ts';

/** What the fork server said about the worker. */
export interface ForkedOptions {
  readonly clock: Clock;
  /** Process 1 of its namespace, on the host; null if it has already ended. */
  readonly firstPid: number | null;
  /** The connection that carries its output; pending if it never connects. */
  readonly output: Promise<Socket>;
}

/** Process 1 was killed, or the fork server ended with everything in its namespace. */
const killedCode = 137;
/** Output that was on its way when the process ended. */
const outputGraceMs = 500;
/** Process 1 ends with the exit code of the worker. It may have to wait for a core, and code of the model can stop it. */
const firstGraceMs = 500;
/** The fork server reports an end at once. If it does not, the server looks by itself. */
const lookEveryMs = 1_000;

/** Not a child of this process, so its end is reported by the fork server, or seen by a look at its pid. */
export class ForkedProcess implements Spawned {
  readonly lines = new LastLines();
  readonly ended: Promise<string>;
  readonly #clock: Clock;
  readonly #first: { readonly pid: number; readonly ticks: string } | null;
  readonly #outputClosed: Promise<void>;
  #listener: LineListener = () => undefined;
  #code: number | null = null;
  #hasEnded: (how: string) => void = () => undefined;
  #cancelLook: () => void = () => undefined;
  #cancelKill: (() => void) | null = null;

  constructor({ clock, firstPid, output }: ForkedOptions) {
    this.#clock = clock;
    const ticks = firstPid === null ? null : startTicks(firstPid);
    this.#first = firstPid === null || ticks === null ? null : { pid: firstPid, ticks };
    this.ended = new Promise((resolve) => {
      this.#hasEnded = resolve;
    });
    this.#outputClosed = output.then(
      (socket) =>
        new Promise((resolve) => {
          this.lines.follow(socket, (line, call) => this.#listener(line, false, call), clock);
          socket.once('close', () => resolve());
          socket.resume();
          socket.write('\n'); // the worker waits for it before it prints
        }),
    );
  }

  get pid(): number | null {
    return this.#isRunning() ? descendantOf((this.#first as { pid: number }).pid, 1) : null;
  }

  get processes(): readonly number[] {
    return this.#isRunning() ? treeOf((this.#first as { pid: number }).pid) : [];
  }

  get exit(): ProcessExit {
    return shellExit(this.#code, null);
  }

  onLine(listener: LineListener): void {
    this.#listener = listener;
  }

  terminate(): void {
    signal(this.pid, 'SIGTERM');
  }

  requestStack(): void {
    signal(this.pid, 'SIGUSR2');
  }

  /**
   * Ends the worker. Process 1 then ends with its exit code, and the kernel ends all others in the namespace. If process 1 were killed at
   * once, a worker that had just ended by itself would seem to have been killed, too: its connection closes before.
   */
  kill(): void {
    signal(this.pid, 'SIGKILL');
    this.#cancelKill ??= this.#clock.after(firstGraceMs, () => {
      if (this.#isRunning()) signal((this.#first as { pid: number }).pid, 'SIGKILL');
    });
    this.#look();
  }

  /** Called once the fork server has reported the exit code of process 1; null if the fork server itself has ended. */
  end(code: number | null): void {
    if (this.#code !== null) return;
    this.#code = code ?? killedCode;
    this.#cancelLook();
    this.#cancelKill?.();
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(outputGraceMs, resolve);
    });
    void Promise.race([this.#outputClosed, late]).then(() => {
      cancel();
      const { code: exitCode, signal: name } = this.exit;
      const how = name === null ? `exit code ${exitCode}` : `killed by ${name}`;
      const said = this.lines.toString();
      this.#hasEnded(said === '' ? how : `${how}: ${said}`);
    });
  }

  #isRunning(): boolean {
    return this.#code === null && this.#first !== null && startTicks(this.#first.pid) === this.#first.ticks;
  }

  /** Code of the environment's packages runs in the fork server, so the server does not rely on its reports alone. */
  #look(): void {
    if (this.#code !== null) return;
    this.#cancelLook();
    this.#cancelLook = this.#clock.after(lookEveryMs, () => {
      if (this.#isRunning()) this.#look();
      else this.end(null);
    });
  }
}

/**
 * Moves under way: each worker has a replacement that starts on another host. The old one serves until the replacement is ready, and ends
 * when its open runs are answered. So no request is lost by a move.
 */
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { LocalProvider, WorkerSpec, WorkerView } from '../providers/index.ts';
import type { ServingLink } from '../runtime/index.ts';
import type { MoveCause } from './plan-moves.ts';
import type { RemoteHost } from './remote-host.ts';
import { specDigest } from './remote-worker.ts';

/** A worker whose replacement is started on another host. */
export interface BegunMove {
  readonly from: string;
  readonly to: string;
  readonly cause: MoveCause;
}

export interface WorkerMovesDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The name of the machine of the home. */
  readonly home: string;
  readonly local: Pick<LocalProvider, 'start' | 'stop' | 'link'>;
  readonly host: (name: string) => RemoteHost | undefined;
  /** The replacement is ready: from now on it serves. */
  readonly onMoved: (id: string, to: string) => void;
}

/** A move is given up if the replacement is not ready within this time. */
const moveMsMax = 600_000;
/** Then the worker rests for as long, if it may stay where it is. */
const restMs = 600_000;
/** Open runs on a replaced worker may take as long as the timeout of an endpoint. */
const drainMsMax = 60_000;
const drainCheckMs = 50;

export class WorkerMoves {
  readonly #deps: WorkerMovesDeps;
  readonly #moves = new Map<string, BegunMove & { readonly untilMs: number }>();
  readonly #restingUntilMs = new Map<string, number>();

  constructor(deps: WorkerMovesDeps) {
    this.#deps = deps;
  }

  get(id: string): BegunMove | undefined {
    return this.#moves.get(id);
  }

  has(id: string): boolean {
    return this.#moves.has(id);
  }

  count(cause: MoveCause): number {
    return this.#moves.values().reduce((sum, move) => sum + Number(move.cause === cause), 0);
  }

  /** A move of it failed a while ago. Only what forces it to leave moves it now. */
  isResting(id: string): boolean {
    return this.#restingUntilMs.has(id);
  }

  begin(spec: WorkerSpec, move: BegunMove): void {
    const { clock, log } = this.#deps;
    const { id } = spec;
    const { from, to } = move;
    this.#moves.set(id, { ...move, untilMs: clock.nowMs() + moveMsMax });
    this.#startOn(to, spec).catch((error: unknown) => {
      this.#failed(id);
      log.warn({ worker: id, from, to, error: messageOf(error) }, 'a worker could not be moved: tried again');
    });
  }

  /** The worker is stopped. */
  forget(id: string): void {
    this.#moves.delete(id);
    this.#restingUntilMs.delete(id);
  }

  /** If the replacement takes too long, or its host is lost, the worker stays where it is, and may move again. */
  giveUp(): void {
    const { clock, log, host, home } = this.#deps;
    const nowMs = clock.nowMs();
    for (const [id, untilMs] of this.#restingUntilMs) if (nowMs >= untilMs) this.#restingUntilMs.delete(id);
    for (const [id, { to, untilMs }] of this.#moves) {
      const isPossible = to === home || host(to)?.isLost === false;
      if (nowMs < untilMs && isPossible) continue;
      this.#failed(id);
      this.#stopOn(to, id).catch((error: unknown) => log.warn({ worker: id, error: messageOf(error) }, 'a replacement was not stopped'));
    }
  }

  /** A worker changed on the host of the name. */
  changed(id: string, on: string, state: WorkerView['state']): void {
    const move = this.#moves.get(id);
    if (move?.to === on && state === 'ready') this.#switch(id, move);
  }

  #failed(id: string): void {
    this.#moves.delete(id);
    this.#restingUntilMs.set(id, this.#deps.clock.nowMs() + restMs);
  }

  async #startOn(to: string, spec: WorkerSpec): Promise<void> {
    const { home, local, host } = this.#deps;
    if (to === home) return local.start(spec);
    await host(to)?.workers.start(spec, specDigest(spec));
  }

  #stopOn(name: string, id: string): Promise<void> {
    return this.#deps.host(name)?.workers.stop(id) ?? this.#deps.local.stop(id);
  }

  /** From now on the replacement serves, and the old worker stops when its open runs are answered. */
  #switch(id: string, { from, to }: BegunMove): void {
    const { clock, log, home, local, host, onMoved } = this.#deps;
    const old: ServingLink | null = from === home ? local.link(id) : (host(from)?.workers.get(id)?.link ?? null);
    this.forget(id);
    onMoved(id, to);
    const untilMs = clock.nowMs() + drainMsMax;
    const stop = (): void => {
      if (old !== null && old.runsOpen > 0 && clock.nowMs() < untilMs) {
        clock.after(drainCheckMs, stop);
        return;
      }
      this.#stopOn(from, id).catch((error: unknown) => log.warn({ worker: id, error: messageOf(error) }, 'a moved worker was not stopped'));
    };
    clock.after(drainCheckMs, stop); // after serving has its link
  }
}

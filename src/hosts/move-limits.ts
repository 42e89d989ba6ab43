/** What a round of placement may move, and how much at once: which variants wait, which workers are idle, and what has moved lately. */
import type { Clock } from '../clock.ts';
import type { WorkerView } from '../providers/index.ts';
import type { ServingLink } from '../runtime/index.ts';
import { IdleWorkers } from './idle-workers.ts';
import type { MoveLimits, WorkerMove } from './plan-moves.ts';
import type { WorkerMoves } from './worker-moves.ts';

export interface MoveLimitsDeps {
  readonly clock: Clock;
  readonly moves: Pick<WorkerMoves, 'has' | 'count' | 'isResting'>;
  readonly link: (id: string) => ServingLink | null;
  /** The variant of a worker, as placement names it. */
  readonly variantOf: (view: WorkerView) => string;
  /** Runs on the home for lack of hosts. */
  readonly isStopgap: (view: WorkerView) => boolean;
  /** Whether a host could run it. */
  readonly isMovable: (view: WorkerView) => boolean;
}

/** How often stopgaps are looked at, and idle workers. */
const optionalEveryMs = { stopgaps: 2000, idle: 10_000 };
/** Stopgaps that are on the move at the same time. */
const stopgapMovesMax = 4;
/** Idle instances that move for the spread in a minute. */
const spreadMovesMax = 2;
const spreadWindowMs = 60_000;
/** Without a run for so long, a worker is idle. */
const idleMs = 30_000;

const noWorkers: ReadonlySet<string> = new Set();

export class RoundLimits {
  readonly #deps: MoveLimitsDeps;
  readonly #idle = new IdleWorkers(idleMs);
  #optionalAtMs = 0;
  /** When instances began to move for the spread. */
  #spreadAtMs: number[] = [];

  constructor(deps: MoveLimitsDeps) {
    this.#deps = deps;
  }

  /** Whether it is time to look at workers that may also stay where they are. */
  isOptionalDue(hasStopgaps: boolean): boolean {
    return this.#deps.clock.nowMs() - this.#optionalAtMs >= optionalEveryMs[hasStopgaps ? 'stopgaps' : 'idle'];
  }

  /** For a round over these workers. */
  of(views: readonly WorkerView[], isOptionalDue: boolean): MoveLimits {
    const { moves, variantOf } = this.#deps;
    const variantsOf = (some: readonly WorkerView[]): ReadonlySet<string> => new Set(some.map(variantOf));
    const moving = views.filter(({ spec }) => moves.has(spec.id));
    const unready = views.filter(({ spec, state }) => spec.kind === 'instance' && state !== 'ready');
    const optional = isOptionalDue ? this.#optional(views) : noOptionalMoves;
    return { busyVariants: variantsOf([...moving, ...unready]), movingVariants: variantsOf(moving), ...optional };
  }

  /** These moves have begun. */
  began(begun: readonly WorkerMove[]): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const { cause } of begun) if (cause === 'spread') this.#spreadAtMs.push(nowMs);
  }

  #optional(views: readonly WorkerView[]): OptionalLimits {
    const { clock, moves, link, isMovable, isStopgap } = this.#deps;
    const nowMs = clock.nowMs();
    this.#optionalAtMs = nowMs;
    this.#spreadAtMs = this.#spreadAtMs.filter((atMs) => nowMs - atMs < spreadWindowMs);
    const movable = views.filter((view) => view.spec.kind === 'instance' && isMovable(view) && !moves.isResting(view.spec.id));
    return {
      stopgaps: new Set(movable.filter(isStopgap).map(({ spec }) => spec.id)),
      idleWorkers: this.#idle.observe(
        movable.map(({ spec: { id } }) => ({ id, link: link(id) })),
        nowMs,
      ),
      stopgapMovesMax: stopgapMovesMax - moves.count('stopgap'),
      spreadMovesMax: spreadMovesMax - this.#spreadAtMs.length,
    };
  }
}

type OptionalLimits = Omit<MoveLimits, 'busyVariants' | 'movingVariants'>;

const noOptionalMoves: OptionalLimits = { stopgaps: noWorkers, idleWorkers: noWorkers, stopgapMovesMax: 0, spreadMovesMax: 0 };

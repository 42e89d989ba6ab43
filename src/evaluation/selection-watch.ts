/** Holds selections whose rows have drifted, or whose labels show that the floor is broken. Looks every ten seconds. */
import { type Clock, every } from '../clock.ts';
import {
  type Deployments,
  type EndpointView,
  isSameLadder,
  isUnderWay,
  type LadderConfig,
  type SelectionHold,
  type TransactionHook,
} from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { Decisions, Events, PlatformEvent } from '../records/index.ts';
import type { Escalations } from './escalations.ts';
import { accuracyRuling, heldLadder, holdDecision, type LabelledRows } from './hold-selection.ts';

export interface SelectionWatchOptions {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'list' | 'update'>;
  readonly decisions: Pick<Decisions, 'list' | 'recordIn'>;
  readonly events: Pick<Events, 'publish'>;
  readonly escalations: Pick<Escalations, 'poll'>;
  /** Rows of a variant that were answered since this time and have labels. */
  readonly labelled: (endpoint: string, variant: string, sinceMs: number) => Promise<LabelledRows>;
  readonly onFailure: (endpoint: string, error: unknown) => void;
}

interface Watched {
  readonly endpoint: string;
  readonly variant: string;
  readonly ladder: Required<LadderConfig>;
}

const lookEveryMs = 10_000;
const holder = 'penstock';

export class SelectionWatch {
  readonly #options: SelectionWatchOptions;
  #cancel: () => void = () => undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SelectionWatchOptions) {
    this.#options = options;
  }

  open(): void {
    this.#cancel = every(this.#options.clock, lookEveryMs, () => {
      this.#turn = this.#turn.then(() => this.look());
    });
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#turn;
  }

  async look(): Promise<void> {
    for (const view of this.#options.deployments.list()) {
      const watched = watchedOf(view);
      if (watched === null) continue;
      try {
        const hold = await this.#holdOf(watched);
        if (hold !== null) await this.#hold(watched, hold);
      } catch (error) {
        this.#options.onFailure(watched.endpoint, error);
      }
    }
  }

  /** Why the selection must be held; null if it need not. */
  async #holdOf({ endpoint, variant, ladder }: Watched): Promise<SelectionHold | null> {
    const { escalations, labelled, clock } = this.#options;
    const { floor, selection } = ladder;
    const atMs = clock.wallMs();
    // Labels say more than escalations.
    const broken = floor === null ? null : accuracyRuling(floor, await labelled(endpoint, variant, selection.decision.atMs));
    if (broken !== null) return { cause: 'accuracy', reason: broken, atMs };
    const drift = escalations.poll(endpoint);
    return drift?.isDrifted === true && selection.held === undefined ? { cause: 'escalation', reason: drift.reason, atMs } : null;
  }

  async #hold({ endpoint, variant, ladder }: Watched, hold: SelectionHold): Promise<void> {
    const { deployments, decisions, events } = this.#options;
    const [last] = await decisions.list({ endpoint, kind: 'selection', changes: true, limit: 1 });
    const held = heldLadder(ladder, hold);
    let recorded: PlatformEvent | null = null;
    const hook: TransactionHook = async (tx, _endpoint, before) => {
      const now = before?.variants.find(({ name }) => name === variant)?.ladder;
      if (now === undefined || !isSameLadder(now, ladder)) {
        throw new PlatformError('wrong_state', `the plans of ${endpoint} changed meanwhile: the next look judges them`);
      }
      recorded = last === undefined ? null : (await decisions.recordIn(tx, holdDecision(last, held, hold))).event;
    };
    await deployments.update(endpoint, { variantChanges: [{ name: variant, ladder: held }] }, holder, hook);
    if (recorded !== null) events.publish(recorded);
  }
}

/** Null for an endpoint that is not served in full, or without a selection that can still be held. */
function watchedOf({ config, status, rollout }: EndpointView): Watched | null {
  const variant = config.variants.find(({ ladder }) => ladder?.selection !== undefined);
  const { ladder } = variant ?? {};
  if (variant === undefined || ladder?.selection === undefined || status !== 'InService' || isUnderWay(rollout)) return null;
  if (ladder.selection.held?.cause === 'accuracy') return null;
  return { endpoint: config.name, variant: variant.name, ladder: { ...ladder, selection: ladder.selection } };
}

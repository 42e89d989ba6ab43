/** Holds selections whose rows have drifted, or whose labels show an accuracy below the floor. Checked every ten seconds. */
import type { DriftRuling, LabelledAnswers } from '../../data-quality/index.ts';
import {
  type Deployments,
  type EndpointView,
  isSameLadder,
  isUnderWay,
  type SelectedLadder,
  type SelectionHold,
  type TransactionHook,
} from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { type MetricStore, penstockNamespace, variantMetricKey } from '../../metrics/index.ts';
import type { Decisions, Events, PlatformEvent } from '../../records/index.ts';
import {
  accuracyAlarm,
  accuracyRuling,
  floorEvidence,
  heldLadder,
  holdDecision,
  releaseRuling,
  type SelectionQuality,
  selectionQuality,
} from './hold-selection.ts';
import { evidenceKinds, type SelectionEvidence } from './selection-evidence.ts';
import { SelectionLoop, type SelectionLoopOptions } from './selection-loop.ts';

export interface SelectionWatchOptions extends SelectionLoopOptions {
  readonly deployments: Pick<Deployments, 'list' | 'update'>;
  readonly decisions: Pick<Decisions, 'list' | 'recordIn'>;
  readonly events: Pick<Events, 'publish'>;
  readonly evidence: Pick<SelectionEvidence, 'poll' | 'store'>;
  /** Rows of a variant that were answered since this time and have labels. */
  readonly labelled: (endpoint: string, variant: string, sinceMs: number) => Promise<LabelledAnswers>;
  readonly store: Pick<MetricStore, 'add'>;
  readonly review: (endpoint: string, trigger: string, by: string) => Promise<void>;
}

interface Watched {
  readonly endpoint: string;
  readonly variant: string;
  readonly ladder: SelectedLadder;
}

const lookEveryMs = 10_000;
const reviewEveryMs = 600_000;
const holder = 'penstock';
const evidenceMetrics = { escalation: 'EvidenceEscalation', agreement: 'EvidenceAgreement' } as const;

/** A hold is a change of the endpoint with a decision of its own; the watch itself stores nothing else. */
export class SelectionWatch extends SelectionLoop {
  readonly #options: SelectionWatchOptions;
  /** By endpoint. */
  readonly #accuracies = new Map<string, DriftRuling | null>();
  /** By endpoint: rows with labels, answered since the plans were chosen. */
  readonly #labelled = new Map<string, LabelledAnswers>();
  /** By endpoint: without this pause, a failed review would be repeated with each check. */
  readonly #reviewedAtMs = new Map<string, number>();

  constructor(options: SelectionWatchOptions) {
    super(options, lookEveryMs);
    this.#options = options;
  }

  override async close(): Promise<void> {
    await super.close();
    for (const { config } of this.#options.deployments.list()) this.#options.evidence.poll(config.name);
    await this.#store();
  }

  /** Judges every selection, then stores the evidence of all at once. What is known of deleted endpoints is removed first. */
  async look(): Promise<void> {
    const names = new Set(this.#options.deployments.list().map(({ config }) => config.name));
    for (const found of [this.#accuracies, this.#labelled]) for (const name of found.keys()) if (!names.has(name)) found.delete(name);
    const nowMs = this.#options.clock.nowMs();
    for (const [name, atMs] of this.#reviewedAtMs) if (nowMs - atMs >= reviewEveryMs) this.#reviewedAtMs.delete(name);
    for (const view of this.#options.deployments.list()) {
      const watched = watchedOf(view);
      if (watched === null) continue;
      try {
        await this.#judge(watched);
      } catch (error) {
        this.#options.onFailure(watched.endpoint, error);
      }
    }
    await this.#store();
  }

  /** Counts of the last seconds are lost only if the server is killed. */
  async #store(): Promise<void> {
    try {
      await this.#options.evidence.store();
    } catch (error) {
      this.#options.onFailure('all endpoints', error);
    }
  }

  async #judge(watched: Watched): Promise<void> {
    const { labelled, clock, review, evidence } = this.#options;
    const { endpoint, variant, ladder } = watched;
    const { floor, selection } = ladder;
    const { held } = selection;
    const atMs = clock.wallMs();
    const since = await labelled(endpoint, variant, selection.decision.atMs);
    const broken = accuracyRuling(floor, since);
    this.#measure(watched, since);
    this.#labelled.set(endpoint, since);
    this.#accuracies.set(endpoint, accuracyAlarm(floor, held, since, broken));
    const released = held === undefined ? null : releaseRuling(floor, (await labelled(endpoint, variant, held.atMs)).trusted);
    if (released !== null && !this.#reviewedAtMs.has(endpoint)) {
      this.#reviewedAtMs.set(endpoint, clock.nowMs());
      return review(endpoint, 'labels', holder);
    }
    if (held?.cause === 'accuracy') return;
    // Labels are stronger than any evidence without labels.
    if (broken !== null) return this.#hold(watched, { cause: 'accuracy', reason: broken, atMs }, since);
    const rulings = evidence.poll(endpoint);
    for (const kind of evidenceKinds) this.#add(watched, evidenceMetrics[kind], rulings[kind]?.evidence);
    if (held !== undefined) return;
    const cause = evidenceKinds.find((kind) => rulings[kind]?.isDrifted === true);
    if (cause !== undefined) await this.#hold(watched, { cause, reason: rulings[cause]?.reason ?? '', atMs }, since);
  }

  /** What labels since the decision say, over time: an interval that holds whenever it is looked at, and the evidence against the floor. */
  #measure(watched: Watched, labels: LabelledAnswers): void {
    const quality = selectionQuality(labels);
    if (quality === null) return;
    this.#add(watched, 'AccuracyLow', quality.low);
    this.#add(watched, 'AccuracyHigh', quality.high);
    const { floor } = watched.ladder;
    if (floor !== null) this.#add(watched, 'EvidenceFloor', floorEvidence(floor, labels));
  }

  #add({ endpoint, variant }: Watched, name: string, value: number | undefined): void {
    if (value !== undefined) this.#options.store.add(variantMetricKey(penstockNamespace, endpoint, variant), { name, unit: 'None' }, value);
  }

  /** For the alarm, as of the last check: whether labels show an accuracy below the floor; null without a floor. */
  accuracy(endpoint: string): DriftRuling | null {
    return this.#accuracies.get(endpoint) ?? null;
  }

  /** What labels say of the rows answered since the plans were chosen, as of the last check; null without labels. */
  qualityOf(endpoint: string): SelectionQuality | null {
    const found = this.#labelled.get(endpoint);
    return found === undefined ? null : selectionQuality(found);
  }

  async #hold({ endpoint, variant, ladder }: Watched, hold: SelectionHold, { plans }: LabelledAnswers): Promise<void> {
    const { deployments, decisions, events } = this.#options;
    const [last] = await decisions.list({ endpoint, kind: 'selection', changes: true, limit: 1 });
    const held = heldLadder(ladder, hold, plans);
    let recorded: PlatformEvent | null = null;
    const hook: TransactionHook = async (tx, _endpoint, before) => {
      const now = before?.variants.find(({ name }) => name === variant)?.ladder;
      if (now === undefined || !isSameLadder(now, ladder)) {
        throw new PlatformError('wrong_state', `the plans of ${endpoint} changed meanwhile: the next check evaluates them`);
      }
      recorded = last === undefined ? null : (await decisions.recordIn(tx, holdDecision(last, held, hold))).event;
    };
    await deployments.update(endpoint, { variantChanges: [{ name: variant, ladder: held }] }, holder, hook);
    if (recorded !== null) events.publish(recorded);
  }
}

/** Null for an endpoint that is not served in full, or without a selection. */
function watchedOf({ config, status, rollout }: EndpointView): Watched | null {
  const variant = config.variants.find(({ ladder }) => ladder?.selection !== undefined);
  const { ladder } = variant ?? {};
  if (variant === undefined || ladder?.selection === undefined || status !== 'InService' || isUnderWay(rollout)) return null;
  return { endpoint: config.name, variant: variant.name, ladder: { ...ladder, selection: ladder.selection } };
}

/**
 * Tries new versions of the groups that a selection follows: a version that has not answered the evaluation set is loaded beside the plans
 * and runs in idle time, on requests that were answered already. Labels decide. If it is right more often than the version that it would
 * replace, it is evaluated and becomes a candidate; if it is right less often, it is unloaded and not tried again.
 */
import type { DiscordantPairs } from '../../data-quality/index.ts';
import {
  type Deployments,
  type EndpointView,
  inOrder,
  isUnderWay,
  type LadderChallenger,
  ladderModelsMax,
  planAlone,
  type SelectedLadder,
  versionIn,
} from '../../deployment/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type MetricStore, penstockNamespace, variantMetricKey } from '../../metrics/index.ts';
import { nameKey } from '../../names.ts';
import type { Decisions, Events, PlatformEvent } from '../../records/index.ts';
import type { ModelVersion, Registry } from '../../registry/index.ts';
import { mapToContract } from '../../selection/index.ts';
import type { ServedVariant, ServedView } from '../../serving/index.ts';
import { payloadObstacleOf } from '../candidate-payload.ts';
import type { Evaluations } from '../evaluations.ts';
import type { StoredAnswers } from '../stored-answers.ts';
import {
  type ChallengerChange,
  type ChallengerEvidence,
  challengerDecision,
  challengerEvidence,
  challengerVerdict,
  discordanceText,
  opponentOf,
  withChallenger,
  withoutChallenger,
} from './challenger-rule.ts';
import { SelectionLoop, type SelectionLoopOptions } from './selection-loop.ts';
import { workerKeyOf } from './selection-planner.ts';
import { requireUnchanged } from './selection-review.ts';

export interface ChallengersOptions extends SelectionLoopOptions {
  readonly deployments: Pick<Deployments, 'list' | 'update'>;
  readonly registry: Pick<Registry, 'resolve' | 'version'>;
  readonly decisions: Pick<Decisions, 'list' | 'record' | 'recordIn'>;
  readonly events: Pick<Events, 'publish'>;
  readonly evaluations: Pick<Evaluations, 'create' | 'find'>;
  readonly answers: Pick<StoredAnswers, 'answered'>;
  readonly store: Pick<MetricStore, 'add'>;
  readonly served: (endpoint: string) => Pick<ServedView, 'variants'> | undefined;
  readonly discordant: (endpoint: string, variant: string, model: string, sinceMs: number) => Promise<DiscordantPairs>;
  readonly review: (endpoint: string, trigger: string, by: string) => Promise<void>;
}

interface Watched {
  readonly endpoint: string;
  readonly variant: string;
  readonly contract: ModelVersion;
  readonly ladder: SelectedLadder;
}

interface Challenged extends Watched {
  readonly challenger: LadderChallenger;
}

const lookEveryMs = 10_000;
const by = 'penstock';
/** With more failed runs than this, and than answered ones, a challenger cannot answer such requests. */
const failuresMax = 10;

/** One challenger per endpoint at a time. */
export class Challengers extends SelectionLoop {
  readonly #options: ChallengersOptions;
  /** By endpoint: the evaluation of a promoted challenger. */
  readonly #promoted = new Map<string, string>();
  /** By endpoint, as of the last look. */
  readonly #evidence = new Map<string, ChallengerEvidence & { readonly model: string }>();

  constructor(options: ChallengersOptions) {
    super(options, lookEveryMs);
    this.#options = options;
  }

  /** What labels say of the challenger of an endpoint, as of the last look; null without one. */
  evidenceOf(endpoint: string, model: string): ChallengerEvidence | null {
    const found = this.#evidence.get(nameKey(endpoint));
    return found?.model === model ? found : null;
  }

  async look(): Promise<void> {
    const { deployments, onFailure } = this.#options;
    const views = deployments.list();
    const names = new Set<string>(views.map(({ config }) => nameKey(config.name)));
    for (const each of [this.#promoted, this.#evidence]) for (const name of each.keys()) if (!names.has(name)) each.delete(name);
    for (const view of views) {
      try {
        await this.#judge(view);
      } catch (error) {
        onFailure(view.config.name, error);
      }
    }
  }

  async #judge(view: EndpointView): Promise<void> {
    const watched = await this.#watchedOf(view);
    if (watched === null) return;
    const { challenger } = watched.ladder;
    if (challenger !== undefined) return this.#judgeChallenger({ ...watched, challenger });
    // Without labels nothing would ever decide.
    const isCaptured = (view.config.capture?.percent ?? 0) > 0;
    if (isCaptured && watched.ladder.selection.held === undefined) await this.#begin(watched);
  }

  /** Null for an endpoint that is not served in full, or without a selection. */
  async #watchedOf({ config, status, rollout }: EndpointView): Promise<Watched | null> {
    const variant = config.variants.find(({ ladder }) => ladder?.selection !== undefined);
    const { ladder } = variant ?? {};
    if (variant === undefined || ladder?.selection === undefined || status !== 'InService' || isUnderWay(rollout)) return null;
    const contract = await this.#options.registry.version(variant.group, variant.version);
    return { endpoint: config.name, variant: variant.name, contract, ladder: { ...ladder, selection: ladder.selection } };
  }

  /** Loads a version of a followed group that nothing is known of yet. */
  async #begin(watched: Watched): Promise<void> {
    const { ladder, endpoint } = watched;
    if ((ladder.shadowShare ?? 0) === 0 || ladder.models.length >= ladderModelsMax) return;
    const found = await this.#unknownVersion(watched);
    if (found === null) return;
    const sameGroup = ladder.models.find((model) => nameKey(versionIn(model).group) === nameKey(found.group));
    const incumbent = sameGroup !== undefined && planAlone(ladder, sameGroup) !== null ? sameGroup : null;
    const challenger: LadderChallenger = { model: found.name, incumbent, sinceMs: this.#options.clock.wallMs() };
    const share = `${100 * (ladder.shadowShare ?? 0)} %`;
    await this.#change(watched, withChallenger(ladder, challenger), {
      trigger: 'version',
      reason: 'challenger-loaded',
      changes: true,
      explanation:
        `${found.name} is new and was not evaluated on ${ladder.selection.request.set}: workers load it, and it runs in idle time on up to ${share} of the ` +
        `requests of ${endpoint}, after they were answered. Labels decide between it and ${opponentOf(challenger)}.`,
    });
  }

  async #unknownVersion({ endpoint, contract, ladder }: Watched): Promise<ModelVersion | null> {
    const { registry, answers, decisions } = this.#options;
    const { candidates, set, demoted = [] } = ladder.selection.request;
    const versions: ModelVersion[] = [];
    for (const group of candidates.filter((each) => !each.includes('/'))) {
      const version = await registry.resolve(group).catch(ignorePlatformError);
      if (version?.approval === 'Approved' && !demoted.includes(version.name)) versions.push(version);
    }
    const loaded = new Set(ladder.models);
    const fitting = versions.filter(
      (version) =>
        !loaded.has(version.name) &&
        payloadObstacleOf(version) === null &&
        typeof mapToContract(contract, version) !== 'string' &&
        workerKeyOf(version) === workerKeyOf(contract),
    );
    if (fitting.length === 0) return null;
    const answered = await answers.answered(set, fitting);
    const [last] = await decisions.list({ endpoint, kind: 'selection', limit: 1 });
    // What was evaluated is judged by its answers, and the first deployment evaluates all.
    return last === undefined ? null : (fitting.find(({ name }) => !answered.has(name)) ?? null);
  }

  async #judgeChallenger(watched: Challenged): Promise<void> {
    const { endpoint, variant, challenger, ladder } = watched;
    const { registry, answers, store, review, discordant } = this.#options;
    const key = nameKey(endpoint);
    const { group, version } = versionIn(challenger.model);
    const model = await registry.version(group, version).catch(ignorePlatformError);
    if (model?.approval !== 'Approved') return this.#end(watched, `${challenger.model} is not approved any more`, false);
    const isPending = this.#promoted.has(key);
    if ((await answers.answered(ladder.selection.request.set, [model])).has(model.name)) {
      if (ladder.selection.held !== undefined) return;
      this.#promoted.delete(key);
      return review(endpoint, isPending ? 'promote' : 'version', by);
    }
    if (isPending) return this.#awaitEvaluation(watched, this.#promoted.get(key) as string);
    const fault = this.#faultOf(watched);
    if (fault !== null) return this.#end(watched, fault, true);
    const evidence = challengerEvidence(await discordant(endpoint, variant, challenger.model, challenger.sinceMs));
    this.#evidence.set(key, { ...evidence, model: challenger.model });
    const metricKey = variantMetricKey(penstockNamespace, endpoint, variant);
    for (const [name, value] of [['ChallengerPromote', evidence.promote] as const, ['ChallengerDemote', evidence.demote] as const])
      store.add(metricKey, { name, unit: 'None' }, value);
    const verdict = challengerVerdict(evidence);
    if (verdict === 'demote') return this.#end(watched, discordanceText(challenger, evidence, verdict), true);
    // While a selection is held, its evaluation says nothing of the rows that are served.
    if (verdict === 'promote' && ladder.selection.held === undefined) await this.#promote(watched, evidence);
  }

  /** Why it cannot answer; null if it can. */
  #faultOf({ endpoint, variant, challenger }: Challenged): string | null {
    const served: ServedVariant | undefined = this.#options.served(endpoint)?.variants.find(({ name }) => name === variant);
    const { crashes = 0, failed = 0, rows = 0 } = served?.ladder?.challenge ?? {};
    if (crashes > 0) return `a worker crashed while it ran ${challenger.model} in idle time`;
    if (failed > failuresMax && failed > rows) return `${challenger.model} failed on ${failed} requests that were answered`;
    const missing = served?.unloaded.find(({ model }) => model === challenger.model);
    return missing === undefined ? null : `${challenger.model} could not be loaded: ${missing.reason.replace(/\.$/, '')}`;
  }

  async #promote(watched: Challenged, evidence: ChallengerEvidence): Promise<void> {
    const { endpoint, challenger, ladder } = watched;
    const { evaluations, decisions } = this.#options;
    const { set } = ladder.selection.request;
    const { id } = await evaluations.create({ set, models: [challenger.model], skipsBadLabels: true }, by);
    this.#promoted.set(nameKey(endpoint), id);
    const [last] = await decisions.list({ endpoint, kind: 'selection', changes: true, limit: 1 });
    if (last === undefined) return;
    const why = discordanceText(challenger, evidence, 'promote');
    await decisions.record(
      challengerDecision(last, ladder, {
        trigger: 'promote',
        reason: 'challenger-promoted',
        changes: false,
        explanation: `${challenger.model} is promoted: ${why}. It is evaluated on ${set}, and is a candidate from then on.`,
      }),
    );
  }

  async #awaitEvaluation(watched: Challenged, id: string): Promise<void> {
    const found = await this.#options.evaluations.find(id);
    if (found?.state === 'InProgress' || found?.state === 'Completed') return;
    this.#promoted.delete(nameKey(watched.endpoint));
    await this.#end(
      watched,
      `its evaluation ${found === null ? 'is gone' : `ended as ${found.state}: ${found.reason ?? 'no reason'}`}`,
      true,
    );
  }

  async #end(watched: Challenged, why: string, isDemoted: boolean): Promise<void> {
    const { challenger, ladder } = watched;
    await this.#change(watched, withoutChallenger(ladder, isDemoted), {
      trigger: 'demote',
      reason: 'challenger-demoted',
      changes: true,
      explanation: `${challenger.model} is unloaded${isDemoted ? ' and not tried again' : ''}: ${why}. The plans stay as they are.`,
    });
  }

  async #change({ endpoint, variant, ladder }: Watched, next: SelectedLadder, change: ChallengerChange): Promise<void> {
    const { deployments, decisions, events } = this.#options;
    const [last] = await decisions.list({ endpoint, kind: 'selection', changes: true, limit: 1 });
    let recorded: PlatformEvent | null = null;
    const hook = inOrder(requireUnchanged(variant, ladder), async (tx) => {
      recorded = last === undefined ? null : (await decisions.recordIn(tx, challengerDecision(last, next, change))).event;
    });
    await deployments.update(endpoint, { variantChanges: [{ name: variant, ladder: next }] }, by, hook);
    if (recorded !== null) events.publish(recorded);
  }
}

/** A group without an approved version, or a version that was deleted. */
function ignorePlatformError(error: unknown): null {
  if (error instanceof PlatformError) return null;
  throw new Error(messageOf(error), { cause: error });
}

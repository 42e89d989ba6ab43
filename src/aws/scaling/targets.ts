/**
 * Scalable targets: which variants scale, and between what. The deployment has the word: a target is there while its variant
 * scales, whichever door let it, and each change of a target is one of the deployment, in the same transaction.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Deployments, EndpointView, KeptBeside, ScalingConfig, VariantConfig } from '../../deployment/index.ts';
import { keyOf } from '../../registry/index.ts';
import type { Documents } from '../sagemaker/documents.ts';
import { isAutoscaled } from '../sagemaker/endpoint-capacities.ts';
import { directionsOf, policyText } from './policy-rules.ts';
import {
  type ActivityDocument,
  countDimension,
  type Dimension,
  notFound,
  provisionedDimension,
  refused,
  resourceIdOf,
  type TargetDocument,
  type TargetName,
} from './scaling-documents.ts';

export interface ScalableTargetsOptions {
  readonly clock: Clock;
  readonly documents: Documents;
  readonly deployments: Pick<Deployments, 'list' | 'update' | 'setScaling' | 'scale'>;
  /** Keeps what the endpoint was made from for its next generation. */
  readonly keepAgain: () => KeptBeside;
}

/** Of what was done lately so much is remembered. */
const activitiesKept = 50;

/** What a target is, and the variant that it scales. */
export interface ScalableTarget {
  readonly document: TargetDocument;
  readonly view: EndpointView;
  readonly variant: VariantConfig;
}

export class ScalableTargets {
  readonly #options: ScalableTargetsOptions;
  /** Changes, one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: ScalableTargetsOptions) {
    this.#options = options;
  }

  /** All there are, by resource and dimension. */
  async all(): Promise<ScalableTarget[]> {
    const stored = new Map(
      (await this.#options.documents.all<TargetDocument>('scalable-target')).map(({ name, content }) => [keyOf(name), content]),
    );
    return this.#options.deployments.list().flatMap((view) =>
      view.config.variants.flatMap((variant) => {
        const name = { endpoint: view.config.name, variant: variant.name, dimension: dimensionOf(variant) };
        const document = present(name, view, variant, stored.get(keyOf(documentName(name))));
        return document === null ? [] : [{ document, view, variant }];
      }),
    );
  }

  /** null where there is none. */
  async find(name: TargetName): Promise<ScalableTarget | null> {
    const found = this.#variant(name);
    if (found === null || dimensionOf(found.variant) !== name.dimension) return null;
    const stored = await this.#options.documents.find<TargetDocument>('scalable-target', documentName(name));
    const document = present(name, found.view, found.variant, stored?.content);
    return document === null ? null : { document, ...found };
  }

  /**
   * Makes it what `change` makes of it, deployment and document together; what is not there yet is new. Throws `ValidationException`
   * where there is no such variant, or it has no such capacity; `ObjectNotFoundException` with `mustExist` where it does not scale.
   */
  change(name: TargetName, change: (document: TargetDocument) => TargetDocument, who: string, mustExist = true): Promise<TargetDocument> {
    return this.#inTurn(async () => {
      const target = await this.find(name);
      if (target === null && mustExist) throw notFound(name);
      const { view, variant } = target ?? this.#scalable(name);
      const before = target?.document ?? this.#newDocument({ ...name, endpoint: view.config.name, variant: variant.name });
      const document = checked(change(before));
      const put: KeptBeside = (tx) =>
        this.#options.documents.put(
          { kind: 'scalable-target', name: documentName(name), content: document, goesWith: { endpoint: view.config.name } },
          tx,
        );
      if (name.dimension === countDimension) await this.#setScaling(name, scalingOf(document, before, variant), who, put);
      else await this.#setProvisioned({ view, variant, document }, who, put);
      return document;
    });
  }

  /** So many are wanted from now on, within the limits: instances, or environments of a serverless variant that are kept warm. */
  async setCapacity(
    name: TargetName,
    { capacity: count, cause }: Pick<ActivityDocument, 'capacity' | 'cause'>,
    who: string,
  ): Promise<void> {
    const activity = { id: randomUUID(), atMs: this.#options.clock.wallMs(), cause, capacity: count };
    await this.change(name, (before) => ({ ...before, activities: [...before.activities, activity] }), who);
    await this.#inTurn(async () => {
      const target = await this.find(name);
      if (target === null) return;
      if (name.dimension === countDimension) await this.#options.deployments.scale(name.endpoint, name.variant, count);
      else await this.#setProvisioned({ ...target, count }, who, async () => undefined);
    });
  }

  /** It scales no more, and stays as large as it is. Throws `ObjectNotFoundException`. */
  remove(name: TargetName, who: string): Promise<void> {
    return this.#inTurn(async () => {
      if ((await this.find(name)) === null) throw notFound(name);
      const { documents } = this.#options;
      if (name.dimension !== countDimension) await documents.remove('scalable-target', documentName(name));
      else await this.#setScaling(name, null, who, async (tx) => void (await documents.remove('scalable-target', documentName(name), tx)));
    });
  }

  async #setScaling({ endpoint, variant }: TargetName, scaling: ScalingConfig | null, who: string, keep: KeptBeside): Promise<void> {
    await this.#options.deployments.setScaling(endpoint, variant, scaling, who, keep);
  }

  /** Environments that are kept warm, within the limits. */
  async #setProvisioned(
    { view, variant, document, count }: ScalableTarget & { count?: number },
    who: string,
    keep: KeptBeside,
  ): Promise<void> {
    const { config } = view;
    const { functions } = variant;
    if (functions === undefined) return;
    const { min, max } = document;
    const provisioned = Math.min(Math.max(count ?? functions.provisioned, min), Math.min(max, functions.maxConcurrency));
    const variants = config.variants.map((each) => (each === variant ? { ...variant, functions: { ...functions, provisioned } } : each));
    const keepAgain = this.#options.keepAgain();
    await this.#options.deployments.update(config.name, { variants }, who, async (tx, endpoint) => {
      await keepAgain(tx, endpoint);
      await keep(tx, endpoint);
    });
  }

  #variant({ endpoint, variant }: TargetName): { view: EndpointView; variant: VariantConfig } | null {
    const view = this.#options.deployments.list().find(({ config }) => keyOf(config.name) === keyOf(endpoint));
    const found = view?.config.variants.find(({ name }) => keyOf(name) === keyOf(variant));
    return view === undefined || found === undefined ? null : { view, variant: found };
  }

  #scalable(name: TargetName): { view: EndpointView; variant: VariantConfig } {
    const found = this.#variant(name);
    if (found === null) throw refused(`There is no variant ${resourceIdOf(name)}: nothing can scale it.`);
    if (dimensionOf(found.variant) === name.dimension) return found;
    const has = name.dimension === countDimension ? 'is serverless and has no instances' : 'has instances and no provisioned concurrency';
    throw refused(`The variant ${resourceIdOf(name)} ${has}: its dimension is ${dimensionOf(found.variant)}.`);
  }

  #newDocument(name: TargetName): TargetDocument {
    const createdAtMs = this.#options.clock.wallMs();
    const nothing = { role: null, suspended: {}, policies: [], actions: [], activities: [], tags: {} };
    return { ...name, id: randomUUID().replaceAll('-', ''), createdAtMs, min: Number.NaN, max: Number.NaN, ...nothing };
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#changing.then(run);
    this.#changing = result.catch(() => undefined);
    return result;
  }
}

/** What of a variant can be scaled. */
function dimensionOf({ instanceCount, functions }: VariantConfig): Dimension {
  return instanceCount === 0 && functions !== undefined ? provisionedDimension : countDimension;
}

function documentName(name: TargetName): string {
  return `${name.endpoint}/${name.variant}/${name.dimension}`;
}

/** What is kept, with the limits that the deployment has; of a variant that another door lets scale, what that amounts to. */
function present(name: TargetName, view: EndpointView, variant: VariantConfig, stored: TargetDocument | undefined): TargetDocument | null {
  const own = { endpoint: view.config.name, variant: variant.name };
  const { scaling } = variant;
  if (name.dimension !== countDimension) return stored === undefined ? null : { ...stored, ...own };
  if (scaling === undefined || !isAutoscaled(variant)) return null;
  const limits = { min: scaling.instancesMin, max: scaling.instancesMax };
  if (stored !== undefined) return { ...stored, ...own, ...limits };
  const nothing = { role: null, suspended: {}, policies: [], actions: [], activities: [], tags: {} };
  return { ...name, ...own, id: derivedId(name), createdAtMs: view.createdAtMs, ...limits, ...nothing };
}

/** The same at each look. */
function derivedId({ endpoint, variant }: TargetName): string {
  return Buffer.from(keyOf(`${endpoint}/${variant}`)).toString('hex');
}

function checked(document: TargetDocument): TargetDocument {
  const { min, max, activities } = document;
  if (!Number.isInteger(min) || !Number.isInteger(max))
    throw refused('MinCapacity and MaxCapacity are both needed for a new scalable target.');
  if (min < 0) throw refused(`MinCapacity must be 0 or more, got ${min}.`);
  if (max < min) throw refused(`MaxCapacity must be MinCapacity (${min}) or more, got ${max}.`);
  return { ...document, activities: activities.slice(-activitiesKept) };
}

/** A variant that scaled by another door goes on by its policy until one is put in its place. */
function scalingOf(document: TargetDocument, former: TargetDocument, variant: VariantConfig): ScalingConfig {
  const { scaling: before } = variant;
  const directions = directionsOf(document.suspended);
  const { usdPerHourMax = null, floors } = before ?? {};
  const text = policyText(document);
  const isOurs = before === undefined || !isAutoscaled(variant) || text !== 'hold' || before.policy === policyText(former);
  return {
    policy: isOurs ? text : before.policy,
    instancesMin: document.min,
    instancesMax: document.max,
    usdPerHourMax,
    ...(directions === undefined ? {} : { directions }),
    ...(floors === undefined ? {} : { floors: floors.map((floor) => ({ ...floor, instances: Math.min(floor.instances, document.max) })) }),
  };
}

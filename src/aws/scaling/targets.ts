/**
 * Scalable targets: the variants that scale, and their limits. The deployment is the source of truth: a target exists while its
 * variant scales, whichever API enabled that. A change of a target updates the deployment in the same transaction.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { CountCause, Deployments, EndpointView, ScalingConfig, TransactionHook, VariantConfig } from '../../deployment/index.ts';
import { nameKey } from '../../names.ts';
import type { Documents } from '../sagemaker/documents.ts';
import { isAutoscaled } from '../sagemaker/endpoints/endpoint-capacities.ts';
import { directionsOf, policyText, suspendedOf } from './policy-rules.ts';
import {
  countDimension,
  type Dimension,
  notFound,
  provisionedDimension,
  resourceIdOf,
  type TargetDocument,
  type TargetName,
  validationError,
} from './scaling-documents.ts';

export interface ScalableTargetsOptions {
  readonly clock: Clock;
  readonly documents: Documents;
  readonly deployments: Pick<Deployments, 'list' | 'update' | 'setScaling' | 'counts'>;
  /** Copies the record of the endpoint's config to its next generation. */
  readonly retainAgain: () => TransactionHook;
}

/** Activities retained for each target with provisioned concurrency; those of instances are the decisions on their number. */
const activitiesMax = 50;

/** A target with the variant that it scales. */
export interface ScalableTarget {
  readonly document: TargetDocument;
  readonly view: EndpointView;
  readonly variant: VariantConfig;
}

export class ScalableTargets {
  readonly #options: ScalableTargetsOptions;
  /** Serializes changes. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: ScalableTargetsOptions) {
    this.#options = options;
  }

  /** All targets, stored or derived from a variant that scales. */
  async all(): Promise<ScalableTarget[]> {
    const stored = new Map(
      (await this.#options.documents.all<TargetDocument>('scalable-target')).map(({ name, content }) => [nameKey(name), content]),
    );
    return this.#options.deployments.list().flatMap((view) =>
      view.config.variants.flatMap((variant) => {
        const name = { endpoint: view.config.name, variant: variant.name, dimension: dimensionOf(variant) };
        const document = present(name, view, variant, stored.get(nameKey(documentName(name))));
        return document === null ? [] : [{ document, view, variant }];
      }),
    );
  }

  /** null if it does not exist. */
  async find(name: TargetName): Promise<ScalableTarget | null> {
    const found = this.#variant(name);
    if (found === null || dimensionOf(found.variant) !== name.dimension) return null;
    const stored = await this.#options.documents.find<TargetDocument>('scalable-target', documentName(name));
    const document = present(name, found.view, found.variant, stored?.content);
    return document === null ? null : { document, ...found };
  }

  /**
   * Applies `change` to document and deployment; a missing target is created unless `mustExist`. `cause`: of an automatic change.
   * Throws `ValidationException` if the variant does not exist or lacks the dimension, `ObjectNotFoundException` with `mustExist` if
   * it does not scale.
   */
  change(
    name: TargetName,
    change: (document: TargetDocument) => TargetDocument,
    who: string,
    { mustExist = true, cause }: { readonly mustExist?: boolean; readonly cause?: CountCause } = {},
  ): Promise<TargetDocument> {
    return this.#inTurn(async () => {
      const target = await this.find(name);
      if (target === null && mustExist) throw notFound(name);
      const { view, variant } = target ?? this.#scalable(name);
      const before = target?.document ?? this.#newDocument({ ...name, endpoint: view.config.name, variant: variant.name });
      const document = checked(change(before));
      const put: TransactionHook = (tx) =>
        this.#options.documents.put(
          { kind: 'scalable-target', name: documentName(name), content: document, owner: { endpoint: view.config.name } },
          tx,
        );
      if (name.dimension === countDimension)
        await this.#options.deployments.setScaling(name.endpoint, name.variant, scalingOf(document, before, variant), who, put, cause);
      else await this.#setProvisioned({ view, variant, document }, who, put);
      return document;
    });
  }

  /** Sets the desired capacity within the limits: instances, or warm environments of a serverless variant. */
  async setCapacity(name: TargetName, capacity: number, cause: CountCause, who: string): Promise<void> {
    if (name.dimension === countDimension) {
      await this.#options.deployments.counts.requested(name.endpoint, name.variant, capacity, cause);
      return;
    }
    const activity = { id: randomUUID(), atMs: this.#options.clock.wallMs(), cause: cause.why, capacity };
    await this.change(name, (before) => ({ ...before, activities: [...before.activities, activity] }), who);
    await this.#inTurn(async () => {
      const target = await this.find(name);
      if (target !== null) await this.#setProvisioned({ ...target, count: capacity }, who, async () => undefined);
    });
  }

  /** Stops scaling; the capacity stays as it is. Throws `ObjectNotFoundException`. */
  remove(name: TargetName, who: string): Promise<void> {
    return this.#inTurn(async () => {
      if ((await this.find(name)) === null) throw notFound(name);
      const { documents } = this.#options;
      if (name.dimension !== countDimension) await documents.remove('scalable-target', documentName(name));
      else {
        const removed: TransactionHook = async (tx) => void (await documents.remove('scalable-target', documentName(name), tx));
        await this.#options.deployments.setScaling(name.endpoint, name.variant, null, who, removed);
      }
    });
  }

  /** Sets the number of warm environments within the limits. */
  async #setProvisioned(
    { view, variant, document, count }: ScalableTarget & { count?: number },
    who: string,
    alongside: TransactionHook,
  ): Promise<void> {
    const { config } = view;
    const { functions } = variant;
    if (functions === undefined) return;
    const { min, max } = document;
    const provisioned = Math.min(Math.max(count ?? functions.provisioned, min), Math.min(max, functions.maxConcurrency));
    const variants = config.variants.map((each) => (each === variant ? { ...variant, functions: { ...functions, provisioned } } : each));
    const retain = this.#options.retainAgain();
    await this.#options.deployments.update(config.name, { variants }, who, async (tx, endpoint) => {
      await retain(tx, endpoint);
      await alongside(tx, endpoint);
    });
  }

  #variant({ endpoint, variant }: TargetName): { view: EndpointView; variant: VariantConfig } | null {
    const view = this.#options.deployments.list().find(({ config }) => nameKey(config.name) === nameKey(endpoint));
    const found = view?.config.variants.find(({ name }) => nameKey(name) === nameKey(variant));
    return view === undefined || found === undefined ? null : { view, variant: found };
  }

  #scalable(name: TargetName): { view: EndpointView; variant: VariantConfig } {
    const found = this.#variant(name);
    if (found === null) throw validationError(`Variant ${resourceIdOf(name)} does not exist.`);
    if (dimensionOf(found.variant) === name.dimension) return found;
    const has = name.dimension === countDimension ? 'is serverless and has no instances' : 'has instances and no provisioned concurrency';
    throw validationError(`The variant ${resourceIdOf(name)} ${has}: expected dimension ${dimensionOf(found.variant)}.`);
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

/** A variant scales by exactly one dimension. */
function dimensionOf({ instanceCount, functions }: VariantConfig): Dimension {
  return instanceCount === 0 && functions !== undefined ? provisionedDimension : countDimension;
}

function documentName(name: TargetName): string {
  return `${name.endpoint}/${name.variant}/${name.dimension}`;
}

/** The stored document with the deployment's limits and directions. A variant that scales without one gets a derived document. */
function present(name: TargetName, view: EndpointView, variant: VariantConfig, stored: TargetDocument | undefined): TargetDocument | null {
  const own = { endpoint: view.config.name, variant: variant.name };
  const { scaling } = variant;
  if (name.dimension !== countDimension) return stored === undefined ? null : { ...stored, ...own };
  if (scaling === undefined || !isAutoscaled(variant)) return null;
  // Another API may have changed the limits and directions since.
  const suspended = { ...stored?.suspended, ...suspendedOf(scaling.directions) };
  const now = { min: scaling.instancesMin, max: scaling.instancesMax, suspended };
  if (stored !== undefined) return { ...stored, ...own, ...now };
  const nothing = { role: null, policies: [], actions: [], activities: [], tags: {} };
  return { ...name, ...own, id: derivedId(name), createdAtMs: view.createdAtMs, ...now, ...nothing };
}

/** Stable, because derived documents are not stored. */
function derivedId({ endpoint, variant }: TargetName): string {
  return Buffer.from(nameKey(`${endpoint}/${variant}`)).toString('hex');
}

function checked(document: TargetDocument): TargetDocument {
  const { min, max, activities } = document;
  if (!Number.isInteger(min) || !Number.isInteger(max))
    throw validationError('A new scalable target requires both MinCapacity and MaxCapacity.');
  if (min < 0) throw validationError(`MinCapacity must be 0 or more, got ${min}.`);
  if (max < min) throw validationError(`MaxCapacity must be MinCapacity (${min}) or more, got ${max}.`);
  return { ...document, activities: activities.slice(-activitiesMax) };
}

/** A policy that was set through another API stays in force until an AWS policy replaces it. */
function scalingOf(document: TargetDocument, former: TargetDocument, variant: VariantConfig): ScalingConfig {
  const { scaling: before } = variant;
  const directions = directionsOf(document.suspended) ?? (before?.directions === 'both' ? before.directions : undefined);
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

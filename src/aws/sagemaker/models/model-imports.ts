/**
 * Registers AWS containers as model versions: the image decides the runtime, the model data is read from S3. A container without a group
 * gets an internal one, which AWS's lists do not show.
 */
import { type Caller, hasPermission } from '../../../access/index.ts';
import { messageOf, PlatformError } from '../../../errors.ts';
import { nameKey } from '../../../names.ts';
import { type Approval, type ModelVersion, multiModelFile, type Registry, UnusableArchive } from '../../../registry/index.ts';
import type { SampleBody } from '../../../runtime/index.ts';
import type { Transaction } from '../../../storage/index.ts';
import { AwsError } from '../../service.ts';
import type { Documents } from '../documents.ts';
import { type Artifact, type ArtifactOptions, openBundle, openModel, unusableModelData } from './artifact.ts';
import { openModelWithCode } from './artifact-with-code.ts';
import { type Container, codeLocationOf, locationOf, type ModelLocation } from './model-data.ts';
import { readSamplePayload } from './sample-payload.ts';

/** The model file exists but cannot be served. */
export class UnreadableModel extends Error {}

/** A container to be registered, with what the version gets. */
export interface ModelImport {
  readonly container: Container;
  readonly who: string;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly approval?: Approval;
  /** A reserved number of the group. Default: the next one. */
  readonly number?: number;
  /** Its rows are used to test the model. As in AWS, it need not exist. */
  readonly samplePayloadUrl?: string;
  /** Written in the same transaction as the version. */
  readonly alongside: (tx: Transaction, version: { readonly group: string; readonly version: number }) => Promise<void>;
}

/**
 * AWS has no approval for containers without a model package, so registering one also requests approval.
 * The version is approved at once if the caller has that permission; otherwise it is pending.
 */
export function approvalBy({ role }: Pick<Caller, 'role'>): Approval {
  return hasPermission(role, 'approve') ? 'Approved' : 'PendingManualApproval';
}

/** The resource that an internal group was created for. */
export interface GroupOrigin {
  readonly kind: 'model' | 'model-package';
  readonly name: string;
}

export interface ModelImportsOptions extends ArtifactOptions {
  readonly documents: Documents;
}

const attemptsMax = 5;
const nameLengthMax = 63;

/** Registers containers, for model packages and for Models. */
export class ModelImports {
  readonly #options: ModelImportsOptions;
  readonly #registry: Registry;

  constructor(options: ModelImportsOptions) {
    this.#options = options;
    this.#registry = options.registry;
  }

  /** Registers into an existing group. Throws `ValidationException`, `UnreadableModel`, and errors of `alongside`. */
  async register(group: string, request: ModelImport): Promise<ModelVersion> {
    return this.#register({ group, isNew: false }, request);
  }

  /** Registers into an internal group. */
  async registerUngrouped(origin: GroupOrigin, request: ModelImport & { readonly approval: Approval }): Promise<ModelVersion> {
    for (let attempt = 1; ; attempt++) {
      const target = await this.#ungroupedName(origin);
      const alongside: ModelImport['alongside'] = async (tx, version) => {
        const owner = { group: version.group };
        await this.#options.documents.put({ kind: 'imported-group', name: version.group, content: origin, owner }, tx);
        await request.alongside(tx, version);
      };
      try {
        return await this.#register(target, { ...request, alongside });
      } catch (error) {
        const isTaken = error instanceof PlatformError && error.code === 'already_exists'; // by a concurrent call
        if (!isTaken || attempt === attemptsMax) throw error;
      }
    }
  }

  /** Deletes the version unless it is in use, and its internal group if it is empty. */
  async removeUngrouped({ group, version }: { readonly group: string; readonly version: number }, who: string): Promise<void> {
    const isImported = (await this.#options.documents.find('imported-group', group)) !== null;
    try {
      await this.#registry.deleteVersion(group, version, who);
      if (isImported) await this.#registry.deleteGroup(group, who);
    } catch (error) {
      // An endpoint serves it, or the group has other versions: it stays, and other APIs show it.
      if (!(error instanceof PlatformError) || (error.code !== 'wrong_state' && error.code !== 'not_found')) throw error;
    }
  }

  async #register(target: { readonly group: string; readonly isNew: boolean }, request: ModelImport): Promise<ModelVersion> {
    const { container, who, description, metadata, tags, approval, number: reserved } = request;
    const { Image: image, Environment: environment = {} } = container;
    const sample = await this.#sample(request);
    const artifact = await this.#open(container);
    const isBuiltIn = image === undefined || this.#registry.imageRuntime(image).kind === 'onnx';
    const isFolder = container.Mode === 'MultiModel';
    try {
      const { version } = await this.#registry.register({
        group: target.group,
        newGroup: target.isNew,
        source: artifact.source,
        sourceName: artifact.sourceName,
        ...(description === undefined ? {} : { description }),
        ...(metadata === undefined ? {} : { metadata }),
        ...(tags === undefined ? {} : { tags }),
        ...(approval === undefined ? {} : { approval }),
        ...(reserved === undefined ? {} : { number: reserved }),
        ...(isBuiltIn ? {} : { image }),
        ...(isFolder ? {} : { environment }),
        ...(sample === null ? {} : { sample }),
        who,
        alongside: (tx, number) => request.alongside(tx, { group: target.group, version: number }),
      });
      return version;
    } catch (error) {
      throw importError(error, locationOf(container)?.uri);
    } finally {
      artifact.close();
    }
  }

  async #sample({ samplePayloadUrl: url }: ModelImport): Promise<SampleBody | null> {
    if (url === undefined) return null;
    try {
      return await readSamplePayload(this.#options.objects, url);
    } catch {
      return null; // missing or damaged: the model is registered anyway
    }
  }

  async #open(container: Container): Promise<Artifact> {
    const { Image: image, Mode: mode = 'SingleModel' } = container;
    if (image === undefined) throw new AwsError('ValidationException', 'A container requires an Image, such as penstock/onnx.');
    const { kind } = this.#registry.imageRuntime(image);
    const location = locationOf(container);
    if (mode === 'MultiModel') return this.#openFolder(container, location, kind);
    if (kind === 'process') {
      const empty = { source: new Uint8Array(), sourceName: 'model.tar', close: () => undefined };
      return location === null ? { ...empty, source: noBytes() } : openBundle(this.#options, location);
    }
    if (location === null) {
      throw new AwsError('ValidationException', `Image ${image} requires an ONNX model: set ModelDataUrl to s3://BUCKET/KEY.`);
    }
    const code = location.key.endsWith('.onnx') ? null : codeLocationOf(container);
    return code === null ? openModel(this.#options, location) : openModelWithCode(this.#options, location, code);
  }

  /** The objects of the folder are read when they are requested; until then it may be empty. */
  async #openFolder(
    { Image: image, MultiModelConfig: config }: Container,
    location: ModelLocation | null,
    kind: string,
  ): Promise<Artifact> {
    if (kind !== 'onnx') {
      throw new AwsError(
        'ValidationException',
        `Mode MultiModel requires an image of the built-in worker, such as penstock/onnx: image ${image} is of the runtime ${kind}.`,
      );
    }
    if (location === null || location.key.endsWith('.onnx') || location.key.endsWith('.gz')) {
      throw new AwsError(
        'ValidationException',
        `Mode MultiModel requires a ModelDataUrl of a folder, s3://BUCKET/PREFIX/, got ${location?.uri ?? 'none'}.`,
      );
    }
    const { bucket, key, uri } = location;
    const isKnown = await this.#options.objects.list(bucket, { prefix: key, itemsMax: 1 }).then(
      () => true,
      () => false,
    );
    if (!isKnown) throw new AwsError('ValidationException', `Could not find model data at ${uri}.`);
    // Without the slash, another folder whose name begins with the prefix would be part of it.
    const prefix = key.endsWith('/') ? key : `${key}/`;
    const source = multiModelFile({ bucket, prefix, isCached: config?.ModelCacheSetting !== 'Disabled' });
    return { source: oneChunk(source), sourceName: 'multi-model.onnx', close: () => undefined };
  }

  /** `iris` if that name is free or belongs to the same resource; else `iris-model`, `iris-model-2`. */
  async #ungroupedName(origin: GroupOrigin): Promise<{ readonly group: string; readonly isNew: boolean }> {
    for (let number = 0; ; number++) {
      const suffix = number === 0 ? '' : number === 1 ? '-model' : `-model-${number}`;
      const group = `${origin.name.slice(0, nameLengthMax - suffix.length).replace(/-+$/, '')}${suffix}`;
      const exists = await this.#isGroup(group);
      if (!exists) return { group, isNew: true };
      const existing = await this.#options.documents.find<GroupOrigin>('imported-group', group);
      if (existing?.content.kind === origin.kind && nameKey(existing.content.name) === nameKey(origin.name)) return { group, isNew: false };
    }
  }

  async #isGroup(name: string): Promise<boolean> {
    try {
      await this.#registry.describeGroup(name);
      return true;
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'not_found') return false;
      throw error;
    }
  }
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* noBytes(): AsyncGenerator<Uint8Array> {
  // A process without model data.
}

/** Maps errors of the registry: an unreadable model is reported to the caller, others pass unchanged. */
function importError(error: unknown, uri = 'the model'): unknown {
  if (error instanceof UnusableArchive) return unusableModelData(uri, error.message, error);
  if (!(error instanceof PlatformError)) return error;
  switch (error.code) {
    case 'too_large':
      return new AwsError('ValidationException', `Model data at ${uri} cannot be used: ${error.message}`, { cause: error });
    case 'invalid_request':
    case 'unsupported':
    case 'model_failed':
      return new UnreadableModel(messageOf(error), { cause: error });
    default:
      return error;
  }
}

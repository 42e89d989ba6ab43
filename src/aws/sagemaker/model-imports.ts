/**
 * How a container of AWS becomes a version of the registry: its image says what runs it, its model data is read from
 * S3. Containers without a group of their own get one beside, which AWS's lists do not show.
 */
import { messageOf, PlatformError } from '../../errors.ts';
import { type Approval, keyOf, type ModelVersion, type Registry } from '../../registry/index.ts';
import type { Transaction } from '../../storage/index.ts';
import { AwsError } from '../service.ts';
import { type Artifact, type ArtifactOptions, openBundle, openModelFile } from './artifact.ts';
import type { Documents } from './documents.ts';
import { type Container, locationOf } from './model-data.ts';

/** The file is there, and it is no model that can be served. */
export class UnreadableModel extends Error {}

export interface ModelImport {
  readonly container: Container;
  readonly who: string;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly approval?: Approval;
  /** Written in the same transaction as the version. */
  readonly alongside: (tx: Transaction, version: { readonly group: string; readonly version: number }) => Promise<void>;
}

/** What a group beside was made for. */
export interface GroupOrigin {
  readonly kind: 'model' | 'model-package';
  readonly name: string;
}

export interface ModelImportsOptions extends ArtifactOptions {
  readonly documents: Documents;
}

const attemptsMax = 5;
const nameLengthMax = 63;

export class ModelImports {
  readonly #options: ModelImportsOptions;
  readonly #registry: Registry;

  constructor(options: ModelImportsOptions) {
    this.#options = options;
    this.#registry = options.registry;
  }

  /** Into a group that is there. Throws `ValidationException`, `UnreadableModel`, and what `alongside` throws. */
  async register(group: string, request: ModelImport): Promise<ModelVersion> {
    return this.#register({ group, isNew: false }, request);
  }

  /** Into a group of its own, approved at once: what AWS deploys without a word about it. */
  async registerAside(origin: GroupOrigin, request: ModelImport): Promise<ModelVersion> {
    for (let attempt = 1; ; attempt++) {
      const target = await this.#groupAside(origin);
      const alongside: ModelImport['alongside'] = async (tx, version) => {
        const goesWith = { group: version.group };
        await this.#options.documents.put({ kind: 'imported-group', name: version.group, content: origin, goesWith }, tx);
        await request.alongside(tx, version);
      };
      try {
        return await this.#register(target, { ...request, approval: 'Approved', alongside });
      } catch (error) {
        const isTaken = error instanceof PlatformError && error.code === 'already_exists'; // between the look and the write
        if (!isTaken || attempt === attemptsMax) throw error;
      }
    }
  }

  /** Takes it back where nothing uses it, and its group where nothing is left in it. */
  async removeAside({ group, version }: { readonly group: string; readonly version: number }, who: string): Promise<void> {
    const isImported = (await this.#options.documents.find('imported-group', group)) !== null;
    try {
      await this.#registry.deleteVersion(group, version, who);
      if (isImported) await this.#registry.deleteGroup(group, who);
    } catch (error) {
      // An endpoint serves it, or other versions are there: then it stays, for whoever sees it by other doors.
      if (!(error instanceof PlatformError) || (error.code !== 'wrong_state' && error.code !== 'not_found')) throw error;
    }
  }

  async #register(target: { readonly group: string; readonly isNew: boolean }, request: ModelImport): Promise<ModelVersion> {
    const { container, who, description, metadata, tags, approval } = request;
    const { Image: image, Environment: environment = {} } = container;
    const artifact = await this.#open(container);
    const isProcess = image !== undefined && this.#registry.imageRuntime(image).kind === 'process';
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
        ...(isProcess ? { image, environment } : {}),
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

  async #open(container: Container): Promise<Artifact> {
    const { Image: image, Mode: mode = 'SingleModel' } = container;
    if (mode !== 'SingleModel') throw new AwsError('ValidationException', `Mode ${mode} is not served here yet: expected SingleModel`);
    if (image === undefined) throw new AwsError('ValidationException', 'A container needs an Image, such as penstock/onnx.');
    const { kind } = this.#registry.imageRuntime(image);
    const location = locationOf(container);
    if (kind === 'process') {
      const nothing = { source: new Uint8Array(), sourceName: 'model.tar', close: () => undefined };
      return location === null ? { ...nothing, source: none() } : openBundle(this.#options, location);
    }
    if (location === null) {
      throw new AwsError('ValidationException', `Image ${image} serves an ONNX model: name it by ModelDataUrl, s3://BUCKET/KEY.`);
    }
    return openModelFile(this.#options, location);
  }

  /** `iris` where that is free, or was made for the same thing before; else `iris-model`, `iris-model-2`. */
  async #groupAside(origin: GroupOrigin): Promise<{ readonly group: string; readonly isNew: boolean }> {
    for (let number = 0; ; number++) {
      const suffix = number === 0 ? '' : number === 1 ? '-model' : `-model-${number}`;
      const group = `${origin.name.slice(0, nameLengthMax - suffix.length).replace(/-+$/, '')}${suffix}`;
      const isThere = await this.#isGroup(group);
      if (!isThere) return { group, isNew: true };
      const marked = await this.#options.documents.find<GroupOrigin>('imported-group', group);
      if (marked?.content.kind === origin.kind && keyOf(marked.content.name) === keyOf(origin.name)) return { group, isNew: false };
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

async function* none(): AsyncGenerator<Uint8Array> {
  // a process whose image is all there is
}

/** The registry knows what is wrong with a file, AWS's clients whose fault it is. */
function importError(error: unknown, uri = 'the model'): unknown {
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

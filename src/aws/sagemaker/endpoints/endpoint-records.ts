/** Records of endpoints that were created or changed through the AWS API: the configs of their last generations. */
import type { Clock } from '../../../clock.ts';
import type { EndpointView, RollbackHook, TransactionHook } from '../../../deployment/index.ts';
import type { Documents } from '../documents.ts';
import type { DeployedConfig, DeploymentConfig, EndpointConfigDocument, EndpointDocument } from './endpoint-documents.ts';

/** Retained generations. The served one is among them unless this many updates have failed since. */
const generationsMax = 8;

/** The config of a generation that is about to be written. */
export type NewDeployedConfig = Pick<DeployedConfig, 'endpointConfigName' | 'document' | 'models'>;

/** Reads and writes these records. Their hooks run in the transaction that writes the generation. */
export class EndpointRecords {
  readonly #documents: Documents;
  readonly #clock: Clock;

  constructor(documents: Documents, clock: Clock) {
    this.#documents = documents;
    this.#clock = clock;
  }

  /** The endpoint's record; empty if another API created it. */
  async of(name: string): Promise<EndpointDocument> {
    return (await this.#documents.find<EndpointDocument>('endpoint', name))?.content ?? { deployed: [], deploymentConfig: null };
  }

  /** The config of a generation; null if it was not created from an endpoint config. */
  async deployed({ config }: EndpointView, generation: number): Promise<DeployedConfig | null> {
    const { deployed } = await this.of(config.name);
    return deployed.find((each) => each.generation === generation) ?? null;
  }

  /** The document that the AWS API deployed last; undefined if it deployed none. */
  async last({ config }: EndpointView): Promise<EndpointConfigDocument | undefined> {
    return (await this.of(config.name)).deployed.at(-1)?.document;
  }

  /** Stores the config of the generation that is being written. */
  store(deployed: NewDeployedConfig, deploymentConfig: DeploymentConfig | null): TransactionHook {
    return async (tx, { config, generation }) => {
      const before = (await this.#documents.find<EndpointDocument>('endpoint', config.name, tx))?.content.deployed ?? [];
      const now = { ...deployed, generation, variants: config.variants, startedAtMs: this.#clock.wallMs() };
      const content: EndpointDocument = {
        deployed: [...before.filter((each) => each.generation < generation), now].slice(-generationsMax),
        deploymentConfig,
      };
      await this.#documents.put({ kind: 'endpoint', name: config.name, content, owner: { endpoint: config.name } }, tx);
    };
  }

  /** For rollbacks: copies the record of an earlier generation to the generation that is being written. */
  storeEarlier(): RollbackHook {
    return async (tx, endpoint, earlier) => {
      const document = (await this.#documents.find<EndpointDocument>('endpoint', endpoint.config.name, tx))?.content;
      const deployed = document?.deployed.find(({ generation }) => generation === earlier);
      if (document !== undefined && deployed !== undefined) await this.store(deployed, document.deploymentConfig)(tx, endpoint);
    };
  }

  /**
   * For changes of weights or capacities: copies the record of the previous generation to the next one. Does nothing if
   * another API created that generation.
   */
  storeAgain(): TransactionHook {
    return async (tx, endpoint) => {
      const document = (await this.#documents.find<EndpointDocument>('endpoint', endpoint.config.name, tx))?.content;
      const from = (generation: number) => document?.deployed.find((each) => each.generation === generation);
      const deployed = from(endpoint.generation) ?? from(endpoint.generation - 1);
      if (document === undefined || deployed === undefined) return;
      await this.store(deployed, document.deploymentConfig)(tx, endpoint);
    };
  }
}

/** What is kept of endpoints that AWS's clients made or changed: what each of their last generations was made from. */
import type { Clock } from '../../clock.ts';
import type { EndpointView, KeptBeside, KeptOnRollback } from '../../deployment/index.ts';
import type { Documents } from './documents.ts';
import type { DeployedConfig, DeploymentConfig, EndpointDocument } from './endpoint-documents.ts';

/** Generations that are remembered: what serves is among them unless so many updates have failed since. */
const generationsKept = 8;

/** What a generation is made from, before it is one. */
export type NewDeployed = Pick<DeployedConfig, 'endpointConfigName' | 'document' | 'models'>;

export class EndpointRecords {
  readonly #documents: Documents;
  readonly #clock: Clock;

  constructor(documents: Documents, clock: Clock) {
    this.#documents = documents;
    this.#clock = clock;
  }

  /** What is known of the endpoint; nothing where another door made it. */
  async of(name: string): Promise<EndpointDocument> {
    return (await this.#documents.find<EndpointDocument>('endpoint', name))?.content ?? { deployed: [], deploymentConfig: null };
  }

  /** What a generation was made from; null where that was no endpoint config. */
  async deployed({ config }: EndpointView, generation: number): Promise<DeployedConfig | null> {
    const { deployed } = await this.of(config.name);
    return deployed.find((each) => each.generation === generation) ?? null;
  }

  /** Keeps what the generation that is being written is made from. */
  keep(deployed: NewDeployed, deploymentConfig: DeploymentConfig | null): KeptBeside {
    return async (tx, { config, generation }) => {
      const before = (await this.#documents.find<EndpointDocument>('endpoint', config.name, tx))?.content.deployed ?? [];
      const now = { ...deployed, generation, variants: config.variants, startedAtMs: this.#clock.wallMs() };
      const content: EndpointDocument = {
        deployed: [...before.filter((each) => each.generation < generation), now].slice(-generationsKept),
        deploymentConfig,
      };
      await this.#documents.put({ kind: 'endpoint', name: config.name, content, goesWith: { endpoint: config.name } }, tx);
    };
  }

  /** The generation that is being written is made from the same as an earlier one. */
  keepEarlier(): KeptOnRollback {
    return async (tx, endpoint, earlier) => {
      const document = (await this.#documents.find<EndpointDocument>('endpoint', endpoint.config.name, tx))?.content;
      const deployed = document?.deployed.find(({ generation }) => generation === earlier);
      if (document !== undefined && deployed !== undefined) await this.keep(deployed, document.deploymentConfig)(tx, endpoint);
    };
  }

  /**
   * The generation that is being written is made from the same as the one before: weights or capacities differ. Of one that
   * another door made, nothing is kept.
   */
  keepAgain(): KeptBeside {
    return async (tx, endpoint) => {
      const document = (await this.#documents.find<EndpointDocument>('endpoint', endpoint.config.name, tx))?.content;
      const from = (generation: number) => document?.deployed.find((each) => each.generation === generation);
      const deployed = from(endpoint.generation) ?? from(endpoint.generation - 1);
      if (document === undefined || deployed === undefined) return;
      await this.keep(deployed, document.deploymentConfig)(tx, endpoint);
    };
  }
}

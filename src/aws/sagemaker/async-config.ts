/** How an endpoint works asynchronously, as its endpoint config says. */
import type { Clock } from '../../clock.ts';
import type { Deployments, EndpointView } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { keyOf } from '../../registry/index.ts';
import type { Database } from '../../storage/index.ts';
import { Documents } from './documents.ts';
import { EndpointRecords } from './endpoint-records.ts';

export interface AsyncInferenceConfig {
  readonly ClientConfig?: { readonly MaxConcurrentInvocationsPerInstance?: number };
  readonly OutputConfig: {
    readonly S3OutputPath?: string;
    readonly S3FailurePath?: string;
    readonly NotificationConfig?: {
      readonly SuccessTopic?: string;
      readonly ErrorTopic?: string;
      readonly IncludeInferenceResponseIn?: readonly string[];
    };
  };
}

export interface AsyncConfigsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'get'>;
}

/** So long an answer is good while the endpoint stays of the same generation. */
const goodForMs = 5000;

export class AsyncConfigs {
  readonly #documents: Documents;
  readonly #records: EndpointRecords;
  readonly #options: AsyncConfigsOptions;
  readonly #known = new Map<
    string,
    { readonly generation: number; readonly untilMs: number; readonly config: AsyncInferenceConfig | null }
  >();

  constructor(options: AsyncConfigsOptions) {
    this.#options = options;
    this.#documents = new Documents(options);
    this.#records = new EndpointRecords(this.#documents, options.clock);
  }

  /** Whether scaling policies say how many instances the variant has. */
  async hasPolicies(endpoint: string, variant: string): Promise<boolean> {
    const name = `${endpoint}/${variant}/sagemaker:variant:DesiredInstanceCount`;
    const target = await this.#documents.find<{ readonly policies: readonly unknown[] }>('scalable-target', name);
    return (target?.content.policies.length ?? 0) > 0;
  }

  /** That of what the endpoint serves, or is to; null where it works in real time, or is not there. */
  async of(endpoint: string): Promise<AsyncInferenceConfig | null> {
    const key = keyOf(endpoint);
    const view = viewOf(this.#options.deployments, endpoint);
    if (view === null) return null;
    const generation = view.servedGeneration ?? view.generation;
    const nowMs = this.#options.clock.nowMs();
    const known = this.#known.get(key);
    if (known !== undefined && known.generation === generation && nowMs < known.untilMs) return known.config;
    const deployed = await this.#records.deployed(view, generation);
    const config = (deployed?.document.AsyncInferenceConfig as AsyncInferenceConfig | undefined) ?? null;
    this.#known.set(key, { generation, untilMs: nowMs + goodForMs, config });
    return config;
  }
}

/** null where there is no such endpoint. */
function viewOf(deployments: AsyncConfigsOptions['deployments'], endpoint: string): EndpointView | null {
  try {
    return deployments.get(endpoint);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  }
}

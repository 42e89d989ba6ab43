/** The `AsyncInferenceConfig` of endpoints, from their endpoint configs. */
import type { Clock } from '../../../clock.ts';
import type { Deployments, EndpointView } from '../../../deployment/index.ts';
import { PlatformError } from '../../../errors.ts';
import { nameKey } from '../../../names.ts';
import type { Database } from '../../../storage/index.ts';
import { Documents } from '../documents.ts';
import { EndpointRecords } from './endpoint-records.ts';

/** AWS's member, with the names that its clients send. */
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

/** Cache lifetime of a config while the endpoint stays at the same generation. */
const cacheLifetimeMs = 5000;

/** Finds the async config of an endpoint for each invocation, so the last ones are cached by generation. */
export class AsyncConfigs {
  readonly #documents: Documents;
  readonly #records: EndpointRecords;
  readonly #options: AsyncConfigsOptions;
  readonly #cached = new Map<
    string,
    { readonly generation: number; readonly untilMs: number; readonly config: AsyncInferenceConfig | null }
  >();

  constructor(options: AsyncConfigsOptions) {
    this.#options = options;
    this.#documents = new Documents(options);
    this.#records = new EndpointRecords(this.#documents, options.clock);
  }

  /** Whether AWS scaling policies control the variant's number of instances. */
  async hasPolicies(endpoint: string, variant: string): Promise<boolean> {
    const name = `${endpoint}/${variant}/sagemaker:variant:DesiredInstanceCount`;
    const target = await this.#documents.find<{ readonly policies: readonly unknown[] }>('scalable-target', name);
    return (target?.content.policies.length ?? 0) > 0;
  }

  /** The config of the served generation, or of the desired one before the first is served. null if real-time or missing. */
  async of(endpoint: string): Promise<AsyncInferenceConfig | null> {
    const key = nameKey(endpoint);
    const view = viewOf(this.#options.deployments, endpoint);
    if (view === null) return null;
    // During an update the old config stays in force until the new version serves.
    const generation = view.servedGeneration ?? view.generation;
    const nowMs = this.#options.clock.nowMs();
    const cached = this.#cached.get(key);
    if (cached !== undefined && cached.generation === generation && nowMs < cached.untilMs) return cached.config;
    // Another API may have changed the endpoint since: it cannot express this config, which therefore stays.
    const document = (await this.#records.deployed(view, generation))?.document ?? (await this.#records.last(view));
    const config = (document?.AsyncInferenceConfig as AsyncInferenceConfig | undefined) ?? null;
    this.#cached.set(key, { generation, untilMs: nowMs + cacheLifetimeMs, config });
    return config;
  }
}

/** null if the endpoint does not exist. */
function viewOf(deployments: AsyncConfigsOptions['deployments'], endpoint: string): EndpointView | null {
  try {
    return deployments.get(endpoint);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  }
}

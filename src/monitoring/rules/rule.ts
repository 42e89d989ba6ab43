/** A rule, and whom it tells. */
import type { HttpParameters } from './http-parameters.ts';
import type { InputTransformer } from './input-transformer.ts';
import type { RetryPolicy } from './retries.ts';

export interface RuleTarget {
  readonly id: string;
  /** A URL, or an ARN. */
  readonly arn: string;
  /** Sent in place of the event. */
  readonly input: string | null;
  /** The part of the event that is sent: `$.detail`. */
  readonly inputPath: string | null;
  /** Made of the event, and sent in its place. */
  readonly transformer?: InputTransformer | undefined;
  /** Of a URL. */
  readonly http?: HttpParameters | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** The members that all this came as, to be shown again. */
  readonly echo?: Readonly<Record<string, unknown>> | undefined;
}

export interface Rule {
  readonly name: string;
  readonly description: string;
  /** JSON. */
  readonly pattern: string;
  readonly isEnabled: boolean;
  readonly targets: readonly RuleTarget[];
  readonly createdBy: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
}

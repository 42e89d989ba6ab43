/** A rule and its targets. */
import type { HttpParameters } from './http-parameters.ts';
import type { InputTransformer } from './input-transformer.ts';
import type { RetryPolicy } from './retries.ts';

/** Where events go, and in which form. */
export interface RuleTarget {
  readonly id: string;
  /** A URL, or an ARN. */
  readonly arn: string;
  /** Constant body sent in place of the event. */
  readonly input: string | null;
  /** The part of the event that is sent: `$.detail`. */
  readonly inputPath: string | null;
  /** Builds the body from the event. */
  readonly transformer?: InputTransformer | undefined;
  /** Only for URLs. */
  readonly http?: HttpParameters | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** Only for pipelines: values of their parameters. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  /** The members as sent by the client, returned unchanged. */
  readonly echo?: Readonly<Record<string, unknown>> | undefined;
}

/** A pattern or a schedule, with its targets. */
export interface Rule {
  readonly name: string;
  readonly description: string;
  /** JSON; empty for a rule that has only a schedule. */
  readonly pattern: string;
  readonly schedule?: RuleSchedule | undefined;
  readonly isEnabled: boolean;
  readonly targets: readonly RuleTarget[];
  readonly createdBy: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
}

/** The schedule of a rule. Its due times are computed elsewhere; only what survives a restart is stored. */
export interface RuleSchedule {
  /** `rate(5 minutes)`, `cron(0 8 ? * MON-FRI *)`, in UTC. */
  readonly expression: string;
  /** Epoch milliseconds: rates count from here. */
  readonly sinceMs: number;
  /** Epoch milliseconds: all due times up to here are handled. */
  readonly handledMs: number;
}

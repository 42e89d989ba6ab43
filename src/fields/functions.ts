/** The settings of a variant's functions. */
import { type Fields, whole } from './field.ts';

const maxConcurrencyMax = 1000;
/** The largest batch size that may be configured, in rows. */
export const batchSizeMaxMax = 4096;

/** Rows of the table. Batch size and wait apply only if `batching` is fixed. */
export const functionsFields = {
  memoryMiB: {
    kind: 'memory',
    about: 'Memory of one execution environment in MiB, which also determines its CPU share and its price. auto: chosen by Penstock.',
    default: 'auto',
    flag: '--memory',
    help: 'memory of one function, or auto',
  },
  maxConcurrency: {
    ...whole(1, maxConcurrencyMax),
    noun: 'the max concurrency',
    about: 'Maximum number of execution environments; each runs one batch at a time.',
    default: 10,
    flag: '--max-concurrency',
    help: 'maximum number of functions',
  },
  /** Its upper bound is the max concurrency. */
  provisioned: {
    ...whole(0, maxConcurrencyMax),
    about: 'Number of execution environments that are always warm; 0 allows scaling to zero.',
    default: 0,
    flag: '--provisioned',
    help: 'number of functions always kept warm',
  },
  keepAliveMs: {
    kind: 'duration',
    least: 0,
    most: 3_600_000,
    expected: 'the keep-alive of idle environments: expected at most one hour',
    about: 'Idle time after which an execution environment beyond the provisioned ones is stopped.',
    default: 60_000,
    flag: '--keep-alive',
    help: 'how long to keep an idle function',
  },
  batching: {
    kind: { choices: ['slack', 'batch', 'batch-paper', 'fixed', 'none'] },
    about:
      'How long a batch waits for more requests. slack: as long as its most urgent request can wait; batch, batch-paper: ' +
      'chosen from arrivals and objective; fixed: until it has batch_size_max rows or its first request has waited wait_ms_max; none: not at all.',
    default: 'slack',
    flag: '--batching',
    placeholder: '<policy>',
    help: 'how long requests wait for a batch to fill',
  },
  /** Checked with the batching. */
  batchSizeMax: {
    ...whole(1, batchSizeMaxMax),
    isOptional: true,
    about: 'Rows of a full batch; only for fixed batching.',
    flag: '--batch-size',
    placeholder: '<rows>',
    help: 'rows of a full batch, with --batching fixed',
  },
  waitMsMax: {
    kind: 'duration',
    isOptional: true,
    about: 'How long the first request of a batch waits; only for fixed batching.',
    flag: '--max-wait',
    help: 'longest wait of the first request in a batch, with --batching fixed',
  },
  usdPerHourMax: {
    kind: 'usd',
    isOptional: true,
    noun: 'the overflow budget',
    about: 'For overflow from instances: cost limit of functions per hour. Once it is spent, requests wait for instances; null: no limit.',
    flag: '--overflow-budget',
    help: 'limit of the cost of overflow per hour, or none',
    defaultText: 'none',
  },
} as const satisfies Fields;

/** The settings of a variant, apart from its model, functions and scaling. */
import { type FieldChanges, type Fields, whole, wholeMs } from './field.ts';

/** One core of this machine. */
export const instanceTypeDefault = 'local.1';
/** Instances of one variant. */
export const instanceCountMax = 64;

const timeout = wholeMs(1_000, 3_600_000);

/** In the help of `deploy` under its instances. */
export const instanceFields = {
  weight: {
    kind: 'number',
    least: 0,
    expected: 'expected a weight of 0 or more',
    about: 'The share of traffic is the weight divided by the sum of all weights.',
    default: 1,
  },
  /** Checked with the functions: 0 is for serverless variants only. */
  instanceCount: {
    ...whole(0, instanceCountMax),
    expected: `the instance count: expected 1 to ${instanceCountMax}`,
    about: '0 for a serverless variant. Default: 1, or 0 for a new variant with functions. With scaling: the initial number.',
    flag: '--instances',
    help: 'number of instances',
    defaultText: '1',
    flagLeast: 1,
  },
  instanceType: {
    kind: 'text',
    default: instanceTypeDefault,
    flag: '--instance-type',
    placeholder: '<type>',
    help: 'instance type',
  },
} as const satisfies Fields;

/** In the help of `deploy` under its model. A rollback restores them together with the model version. */
export const modelFields = {
  /** The default is as for a container on SageMaker. */
  startTimeoutMs: {
    ...timeout,
    isOptional: true,
    noun: 'the time to start',
    about: 'Time within which a process model must pass its health check.',
    default: 240_000,
    flag: '--start-timeout',
    help: 'how long the process may take to start',
  },
  /** The default is enough for the largest archive from a slow disk. */
  unpackTimeoutMs: {
    ...timeout,
    isOptional: true,
    noun: 'the time to unpack',
    about: 'Time limit for unpacking the archive of a process model.',
    default: 600_000,
    flag: '--unpack-timeout',
    help: 'how long unpacking its archive may take',
  },
} as const satisfies Fields;

/** Settings of the workers and of the model. Only those of the model return to their old values in a rollback. */
export const variantFields = { ...instanceFields, ...modelFields };

/** Absent members stay as they are; null removes an optional one. */
export type VariantSettingChanges = FieldChanges<typeof variantFields>;

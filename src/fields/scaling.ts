/** The settings of a variant that scales with its load. */
import { type Fields, whole } from './field.ts';
import { instanceCountMax } from './variant.ts';

/** By name; options of the command line and members of the API follow from them. */
export const scalingFields = {
  policy: {
    kind: 'text',
    about: 'Policy that chooses the number of instances, for example economic or hpa:70.',
    default: 'economic',
    flag: '--scaling',
    placeholder: '<policy>',
    help: 'scale the number of instances with the load: economic, backlog (asynchronous requests), hpa:70 and others, or none',
    defaultText: 'none',
  },
  /** The default is 0 for a variant with functions, which serve while no instance runs. */
  instancesMin: {
    ...whole(0, instanceCountMax),
    noun: 'the minimum of instances',
    about: 'Default: 1, or 0 for a new variant with functions. With 0 and no functions, requests wait for an instance to start.',
    flag: '--min-instances',
    help: 'minimum number of instances, with --scaling',
    defaultText: '1, or 0 if a new or serverless endpoint gets --overflow',
  },
  instancesMax: {
    ...whole(1, instanceCountMax),
    noun: 'the maximum of instances',
    default: 4,
    flag: '--max-instances',
    help: 'maximum number of instances, with --scaling',
  },
  usdPerHourMax: {
    kind: 'usd',
    noun: 'the scaling budget',
    about: 'Cost limit of the variant per hour, instances and functions together; null: no limit.',
    default: null,
    flag: '--scaling-budget',
    help: 'limit per clock hour for instances and functions together, or none, with --scaling',
  },
  directions: {
    kind: { choices: ['both', 'out', 'in', 'none'] },
    isOptional: true,
    noun: 'the scaling directions',
    about: 'Allowed directions of automatic scaling; out means more instances. Default: both.',
  },
  floors: {
    kind: 'schedules',
    isOptional: true,
    about:
      "Scheduled minimum of instances, in UTC: 'mon-fri 08:00-18:00 3', '22:00-02:00 2'. Instances are started ahead of time to be ready at the beginning.",
    flag: '--floor',
    help: "a higher minimum at certain times (UTC), such as 'mon-fri 08:00-18:00 3', or none, with --scaling; may be repeated",
    defaultText: 'none',
  },
} as const satisfies Fields;

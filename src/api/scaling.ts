/** Scaling of a variant as the API takes and shows it. */
import { z } from 'zod';
import { formatFloor, parseFloor, type ScalingConfig, scalingDirections } from '../deployment/index.ts';

const policy = z.string().describe('How the number of instances is found, such as economic or hpa:70.');
const usdPerHourMax = z
  .number()
  .nullable()
  .describe('What the variant may cost within an hour, instances and functions together; null: no limit.');

const directions = z.enum(scalingDirections).describe('Which way the number may go by itself; out is more. Both unless given.');

const floors = z
  .array(z.string())
  .describe(
    "At least so many instances at times of the day, in UTC: 'mon-fri 08:00-18:00 3', '22:00-02:00 2'. Started so that they are ready then.",
  );

/** Everything has a default. */
export const scalingInput = z.strictObject({
  policy: policy.default('economic'),
  instances_min: z
    .number()
    .optional()
    .describe('1 unless given, and 0 beside functions. With 0 and no functions, requests wait for an instance to start.'),
  instances_max: z.number().default(4),
  usd_per_hour_max: usdPerHourMax.default(null),
  directions: directions.optional(),
  floors: floors.optional(),
});

export const scalingBody = z.strictObject({
  policy,
  instances_min: z.number(),
  instances_max: z.number(),
  usd_per_hour_max: usdPerHourMax,
  directions: directions.optional(),
  floors: floors.optional(),
});

type ScalingBody = z.infer<typeof scalingBody>;

/** The numbers themselves are for deployment to check. Throws `invalid_request` for a floor that cannot be read. */
export function scalingOf(
  {
    policy: text,
    instances_min: min,
    instances_max: instancesMax,
    usd_per_hour_max: budget,
    directions: ways,
    floors: texts = [],
  }: z.output<typeof scalingInput>,
  hasFunctions: boolean,
): ScalingConfig {
  return {
    policy: text,
    instancesMin: min ?? (hasFunctions ? 0 : 1),
    instancesMax,
    usdPerHourMax: budget,
    ...(ways === undefined ? {} : { directions: ways }),
    ...(texts.length === 0 ? {} : { floors: texts.map(parseFloor) }),
  };
}

export function scalingBodyOf({
  policy: text,
  instancesMin,
  instancesMax,
  usdPerHourMax: budget,
  directions: ways,
  floors: scheduled,
}: ScalingConfig): ScalingBody {
  return {
    policy: text,
    instances_min: instancesMin,
    instances_max: instancesMax,
    usd_per_hour_max: budget,
    ...(ways === undefined ? {} : { directions: ways }),
    ...(scheduled === undefined ? {} : { floors: scheduled.map(formatFloor) }),
  };
}

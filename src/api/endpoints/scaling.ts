/** Request and response bodies of a variant's scaling. */
import { z } from 'zod';
import { defined } from '../../defined.ts';
import { formatFloor, parseFloor, type ScalingChange, type ScalingConfig } from '../../deployment/index.ts';
import { bodyOfFields, changesOf, scalingFields } from '../../fields/index.ts';
import { bodyShape, inputShape } from '../routing/field-schemas.ts';

/** Omitted members have their default in a new variant and keep their value in an existing one. */
export const scalingInput = z.strictObject(inputShape(scalingFields));
export const scalingBody = z.strictObject(bodyShape(scalingFields, undefined));

/** Only the members present in the body; `deployment` validates the numbers. Throws `invalid_request` for a floor that cannot be parsed. */
export function scalingConfigOf(input: z.output<typeof scalingInput>): ScalingChange {
  const { floors, ...others } = changesOf(scalingFields, input);
  return { ...others, ...defined({ floors: floors === null ? null : floors?.map(parseFloor) }) };
}

export function scalingBodyOf({ floors, ...others }: ScalingConfig): z.infer<typeof scalingBody> {
  return bodyOfFields(scalingFields, { ...others, ...defined({ floors: floors?.map(formatFloor) }) });
}

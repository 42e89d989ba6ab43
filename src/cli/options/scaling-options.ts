/** The options of `deploy` that scale the number of instances with the load, and the resulting request body. */
import type { VariantBody } from '../../api/index.ts';
import { type OptionValues, scalingFields } from '../../fields/index.ts';
import { CliError } from '../cli-error.ts';
import { flagsIn, requestedFields } from './field-options.ts';

/** The policy may be `none`; the floors are empty for `none`. */
export interface ScalingOptions extends OptionValues<typeof scalingFields> {
  readonly serverless?: boolean;
  /** A fixed number of instances. */
  readonly instances?: number;
}

/** Throws `CliError` if the options contradict each other or the existing variant. */
export function checkScalingOptions(options: ScalingOptions, before: VariantBody | undefined): void {
  const { scaling } = options;
  const [stray] = flagsIn(scalingFields, options).filter((flag) => flag !== '--scaling');
  if (options.instances !== undefined && scaling !== 'none' && options.serverless !== true && (before?.scaling ?? null) !== null) {
    const cure = `set a minimum with --min-instances ${options.instances}, or fix the number with --scaling none`;
    throw new CliError(`--instances sets a fixed number, but this endpoint scales with the load: ${cure}`, 2);
  }
  if (options.serverless === true && scaling !== undefined && scaling !== 'none') {
    const cure = 'remove --scaling, or combine instances and functions with --overflow functions instead of --serverless';
    throw new CliError(`a serverless endpoint has no instances to scale: ${cure}`, 2);
  }
  const isScaled = scaling === undefined ? (before?.scaling ?? null) !== null && options.serverless !== true : scaling !== 'none';
  if (stray !== undefined && !isScaled) {
    throw new CliError(`${stray} needs scaling, which this endpoint does not have: add --scaling economic or remove ${stray}`, 2);
  }
}

/** The scaling to request. Fields that no option sets are omitted, so they keep their current values. */
export function scalingBodyFrom(options: ScalingOptions, before: VariantBody | undefined): Record<string, unknown> {
  if (options.scaling === 'none') return before === undefined ? {} : { scaling: null };
  const scaling = requestedFields(scalingFields, options);
  return Object.keys(scaling).length === 0 ? {} : { scaling };
}

/** A minimum of 0 that no option set: without load the endpoint then runs no instance. Null if the minimum is as requested or as before. */
export function minimumText(
  { minInstances }: ScalingOptions,
  before: VariantBody | undefined,
  after: VariantBody | undefined,
): string | null {
  const { scaling = null } = after ?? {};
  if (minInstances !== undefined || scaling === null || scaling.instances_min > 0 || before?.scaling?.instances_min === 0) return null;
  return `it scales from 0 to ${scaling.instances_max} instances: without load none runs, and functions answer. --min-instances 1 keeps one running`;
}

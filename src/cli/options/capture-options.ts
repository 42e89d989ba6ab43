/** The options of `deploy` that select which calls of an endpoint are captured. */
import type { EndpointBody } from '../../api/index.ts';
import { captureFields, type OptionValues } from '../../fields/index.ts';
import { CliError } from '../cli-error.ts';
import { requestedFields } from './field-options.ts';

export interface CaptureOptions extends Omit<OptionValues<typeof captureFields>, 'capture'> {
  /** Percent of calls; null turns capture off. */
  readonly capture?: number | null;
}

/** The capture settings to request: only those that an option sets. Empty if none does. */
export function captureSettings(options: CaptureOptions, before: EndpointBody['capture']): Record<string, unknown> {
  if (options.capture === null) return { capture: null };
  const capture = requestedFields(captureFields, options);
  if (Object.keys(capture).length === 0) return {};
  if (options.capture === undefined && before === null)
    throw new CliError('capture is off for this endpoint: set a share, such as --capture 10%', 2);
  return { capture };
}

/** Options of `deploy` by the request field that they set. */
import { captureFields, endpointFields, functionsFields, scalingFields, variantFields } from '../../fields/index.ts';
import { flagsOf } from './field-options.ts';

const flags: Readonly<Record<string, string>> = {
  objective: '--objective',
  ...flagsOf(endpointFields),
  ...flagsOf(variantFields),
  ...flagsOf(functionsFields, 'functions.'),
  ...flagsOf(scalingFields, 'scaling.'),
  ...flagsOf(captureFields, 'capture.'),
};

/** `--late` for `late`; null if `deploy` has no option for the field. */
export function flagOf(member: string): string | null {
  return flags[member] ?? null;
}

/** Replaces the request fields that an error message complains about by their options. */
export function inFlags(message: string): string {
  return message.replaceAll(
    /(^|[;,] )(?:variants\.\d+\.)?([a-z_]+(?:\.[a-z_]+)?)(?:\.\d+)?(?=: )/g,
    (all, before: string, member: string) => {
      return Object.hasOwn(flags, member) ? `${before}${flags[member]}` : all;
    },
  );
}

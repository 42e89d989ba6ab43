/** The options of `deploy` for functions, alone or with instances, and the resulting request body. */
import { type Command, Option } from 'commander';
import type { VariantBody } from '../../api/index.ts';
import { functionsFields, instanceFields, type OptionValues } from '../../fields/index.ts';
import { CliError } from '../cli-error.ts';
import { addFieldOptions, flagsIn, requestedFields, restoringOptions } from './field-options.ts';

/** Those of instances are here to be checked against. */
export interface ServerlessOptions extends OptionValues<typeof functionsFields> {
  readonly serverless?: boolean;
  readonly overflow?: 'functions' | 'none';
  readonly instances?: number;
  readonly instanceType?: string;
}

type FunctionsBody = NonNullable<VariantBody['functions']>;

export function addServerlessOptions(command: Command): void {
  command
    .option('--serverless', 'run on functions, which start with requests and stop when idle, instead of instances', false)
    .addOption(
      new Option('--overflow <target>', 'send requests that instances cannot finish in time to functions, or none (default: none)').choices(
        ['functions', 'none'],
      ),
    );
  addFieldOptions(command, functionsFields);
}

/** Throws `CliError` for options that can never be combined, without calling the server. */
export function checkServerlessOptions(options: ServerlessOptions): void {
  const { serverless = false, overflow } = options;
  if (serverless && overflow !== undefined) {
    throw new CliError('a serverless endpoint has no instances to overflow from: remove --serverless or --overflow', 2);
  }
  if (serverless) checkNoInstances(options);
}

/** Throws `CliError` for options of functions that the endpoint would not have. `before` is its current variant, if any. */
export function checkFunctionOptions(options: ServerlessOptions, before: VariantBody | undefined): void {
  const { overflowBudget, batching, batchSize, maxWait } = options;
  const retained = retainedFunctions(options, before);
  const [stray] = flagsIn(functionsFields, options).filter((flag) => flag !== '--overflow-budget');
  if (stray !== undefined && retained === undefined) {
    throw new CliError(
      `${stray} needs functions, which this endpoint would not have: add --serverless or --overflow functions, or remove ${stray}`,
      2,
    );
  }
  const isHybrid = options.overflow === 'functions' || (retained !== undefined && !options.serverless && before?.instance_count !== 0);
  if (overflowBudget !== undefined && !isHybrid) {
    throw new CliError('--overflow-budget needs both instances and functions: add --overflow functions or remove --overflow-budget', 2);
  }
  checkFixed('--batching', { batching: batching ?? retained?.batching, batchSize, maxWait }, batching === undefined);
}

/** The existing functions that would stay; null if functions would be created, undefined if there would be none. */
function retainedFunctions(options: ServerlessOptions, before: VariantBody | undefined): FunctionsBody | null | undefined {
  const functions = before?.functions ?? null;
  if (options.serverless === true || options.overflow === 'functions') return functions;
  const becomesInstances = before?.instance_count === 0 && (options.instances !== undefined || options.instanceType !== undefined);
  return options.overflow === 'none' || becomesInstances ? undefined : (functions ?? undefined);
}

interface Fixed {
  readonly batching?: string | undefined;
  readonly batchSize?: number | undefined;
  readonly maxWait?: number | undefined;
}

/**
 * Throws `CliError` if `--batch-size` or `--max-wait` are given without fixed batching, or fixed batching without both. `flag` selects
 * the policy. `isThere`: the endpoint already has fixed batching with both.
 */
export function checkFixed(flag: string, { batching, batchSize, maxWait }: Fixed, isThere = false): void {
  const fixed = [batchSize, maxWait].filter((value) => value !== undefined).length;
  if (batching === 'fixed' && fixed < 2 && !isThere) {
    throw new CliError(`${flag} fixed needs both --batch-size ROWS and --max-wait DURATION, such as --batch-size 8 --max-wait 20ms`, 2);
  }
  if (batching !== 'fixed' && fixed > 0) {
    throw new CliError(
      `${batchSize === undefined ? '--max-wait' : '--batch-size'} is only valid with ${flag} fixed: add that or remove the option`,
      2,
    );
  }
}

function checkNoInstances(options: ServerlessOptions): void {
  if (options.instances !== undefined || options.instanceType !== undefined) {
    const flag = options.instances === undefined ? '--instance-type' : '--instances';
    const cure = options.instances === undefined ? '--memory sets the size of its functions' : '--provisioned keeps functions warm';
    throw new CliError(`a serverless endpoint has no instances: remove ${flag}; ${cure}`, 2);
  }
}

/** The capacity to request. Fields that no option sets are omitted, so they keep their current values. */
export function capacityBodyFrom(options: ServerlessOptions, before: VariantBody | undefined): Record<string, unknown> {
  const { overflow, serverless = false } = options;
  const mentioned = requestedFields(instanceFields, options);
  const functions = requestedFields(functionsFields, options);
  if (serverless) return { instance_count: 0, functions };
  const wasServerless = before?.instance_count === 0;
  if (overflow === 'functions') return { ...(before === undefined || wasServerless ? { instance_count: 1 } : {}), ...mentioned, functions };
  const becomesInstances = wasServerless && Object.keys(mentioned).length > 0;
  if (overflow === 'none' || becomesInstances) return { ...mentioned, ...(before === undefined ? {} : { functions: null }) };
  return { ...mentioned, ...(Object.keys(functions).length === 0 ? {} : { functions }) };
}

/** The message if functions are removed together with non-default settings; null if nothing is lost. */
export function removedSettingsText(options: ServerlessOptions, before: VariantBody | undefined): string | null {
  const functions = before?.functions ?? null;
  if (functions === null || capacityBodyFrom(options, before)['functions'] !== null) return null;
  const flags = restoringOptions(functionsFields, functions);
  return flags === '' ? null : `removing the functions also removes their settings; to restore them later, use: ${flags}`;
}

/** Reads settings from the command line, the environment and config.json. Unknown names are rejected with the nearest known one. */
import { readFileSync } from 'node:fs';
import { messageOf, PlatformError } from '../errors.ts';
import { isRecord } from './kinds.ts';
import { flagName, type SettingSource, variableName } from './setting.ts';
import { settings } from './settings.ts';

/** Variables of clients (PENSTOCK_URL, PENSTOCK_KEY) and of simulations and tests (PENSTOCK_TRACES), which are not settings. */
const clientVariables = ['PENSTOCK_URL', 'PENSTOCK_KEY', 'PENSTOCK_TRACES'];

/** A value with its source. In a list, the first value of a name wins. */
export interface SourcedValue {
  readonly name: string;
  readonly value: unknown;
  /** The name in its source, for error messages: `--port`, `PENSTOCK_PORT`, `port in config.json`. */
  readonly label: string;
}

/** Settings of the command line. Throws `invalid_request` for an unknown flag, with the nearest known one. */
export function readFlags(flags: Readonly<Record<string, unknown>>): SourcedValue[] {
  const known = namesFor('flag');
  return Object.entries(flags).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (!known.includes(name))
      throw unknown(
        flagName({ name }),
        known.map((other) => flagName({ name: other })),
        'flag',
      );
    return [{ name, value, label: flagName({ name }) }];
  });
}

/**
 * Settings in `PENSTOCK_*` variables. An empty variable counts as unset; those that only clients read, such as PENSTOCK_KEY, are skipped.
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): SourcedValue[] {
  const byVariable = new Map(namesFor('environment').map((name) => [variableName({ name }), name]));
  return Object.entries(env).flatMap(([variable, value]) => {
    if (!variable.startsWith('PENSTOCK_') || clientVariables.includes(variable) || value === undefined || value === '') return [];
    const name = byVariable.get(variable);
    if (name === undefined) throw unknown(variable, [...byVariable.keys(), ...clientVariables], 'environment variable');
    return [{ name, value, label: variable }];
  });
}

/** Settings in a JSON file. A missing file is an error only if `mustExist`: the default one may be missing, a named one may not. */
export function readConfigFile(path: string, mustExist: boolean): SourcedValue[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    // ENOTDIR: opening the data directory will report that it is not a directory.
    const isMissing = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
    if (isMissing && !mustExist) return [];
    throw new PlatformError('invalid_request', `cannot read ${path}: ${messageOf(cause)}. Expected a JSON object of settings`, {
      cause,
    });
  }
  if (!isRecord(content))
    throw new PlatformError('invalid_request', `${path}: expected a JSON object of settings, got ${maskedValue(content)}`);
  const known = namesFor('file');
  return Object.entries(content).map(([name, value]) => {
    if (name === settings.dataDir.name) {
      throw new PlatformError('invalid_request', `${path}: dataDir cannot be set in a file. Use --data-dir or PENSTOCK_DATA_DIR`);
    }
    if (!known.includes(name)) throw unknown(name, known, `setting in ${path}`);
    return { name, value, label: `${name} in ${path}` };
  });
}

function namesFor(source: SettingSource): string[] {
  return Object.values(settings)
    .filter(({ only }) => only === undefined || only.includes(source))
    .map(({ name }) => name);
}

function unknown(name: string, known: readonly string[], what: string): PlatformError {
  const nearest = known.map((other) => ({ other, edits: editDistance(name, other) })).sort((a, b) => a.edits - b.edits)[0];
  const suggestion =
    nearest !== undefined && nearest.edits <= Math.max(2, name.length / 3)
      ? `did you mean ${nearest.other}?`
      : `expected one of ${known.join(', ')}`;
  return new PlatformError('invalid_request', `unknown ${what} ${name}: ${suggestion}`);
}

/** The case-insensitive Levenshtein distance. */
function editDistance(from: string, to: string): number {
  const [a, b] = [from.toLowerCase(), to.toLowerCase()];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** Formats a value for an error message, with credentials in URLs masked. */
export function maskedValue(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).replace(/:\/\/[^@/"]*@/, '://…@').slice(0, 100);
}

/** What somebody gave, on the command line, in the environment and in config.json. What nobody knows is refused, with the nearest that is known. */
import { readFileSync } from 'node:fs';
import { messageOf, PlatformError } from '../errors.ts';
import { isObject } from './kinds.ts';
import { flagName, type Source, variableName } from './setting.ts';
import { settings } from './settings.ts';

/** Variables that belong to the clients of a server, and to those who simulate and test: where recorded loads lie. */
const clientVariables = ['PENSTOCK_URL', 'PENSTOCK_KEY', 'PENSTOCK_TRACES'];

/** A value somebody gave, first come first counted. */
export interface Given {
  readonly name: string;
  readonly value: unknown;
  /** How the giver knows it: `--port`, `PENSTOCK_PORT`, `port in config.json`. */
  readonly label: string;
}

export function fromFlags(flags: Readonly<Record<string, unknown>>): Given[] {
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

export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Given[] {
  const byVariable = new Map(namesFor('environment').map((name) => [variableName({ name }), name]));
  return Object.entries(env).flatMap(([variable, value]) => {
    if (!variable.startsWith('PENSTOCK_') || clientVariables.includes(variable) || value === undefined || value === '') return [];
    const name = byVariable.get(variable);
    if (name === undefined) throw unknown(variable, [...byVariable.keys(), ...clientVariables], 'environment variable');
    return [{ name, value, label: variable }];
  });
}

export function fromFile(path: string, mustExist: boolean): Given[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    // ENOTDIR: whoever opens the data directory says that it is none.
    const isMissing = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
    if (isMissing && !mustExist) return [];
    throw new PlatformError('invalid_request', `${path} cannot be read: ${messageOf(cause)}; expected a JSON object of settings`, {
      cause,
    });
  }
  if (!isObject(content)) throw new PlatformError('invalid_request', `${path}: expected a JSON object of settings, got ${show(content)}`);
  const known = namesFor('file');
  return Object.entries(content).map(([name, value]) => {
    if (name === settings.dataDir.name) {
      throw new PlatformError('invalid_request', `${path}: dataDir cannot stand in a file; give --data-dir or PENSTOCK_DATA_DIR`);
    }
    if (!known.includes(name)) throw unknown(name, known, `setting in ${path}`);
    return { name, value, label: `${name} in ${path}` };
  });
}

function namesFor(source: Source): string[] {
  return Object.values(settings)
    .filter(({ only }) => only === undefined || only.includes(source))
    .map(({ name }) => name);
}

function unknown(name: string, known: readonly string[], what: string): PlatformError {
  const nearest = known.map((other) => ({ other, edits: editDistance(name, other) })).sort((a, b) => a.edits - b.edits)[0];
  const suggestion =
    nearest !== undefined && nearest.edits <= Math.max(2, name.length / 3)
      ? `did you mean ${nearest.other}?`
      : `known are ${known.join(', ')}`;
  return new PlatformError('invalid_request', `unknown ${what} ${name}: ${suggestion}`);
}

/** How many letters to add, drop or change to come from one word to the other (Levenshtein), without case. */
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

/** A secret in a URL does not belong into an error. */
export function show(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).replace(/:\/\/[^@/"]*@/, '://…@').slice(0, 100);
}

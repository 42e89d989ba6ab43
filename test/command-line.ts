/** Command lines of benchmarks, soaks and checks: one table of flags gives the defaults, the usage and the errors. */
import { parseArgs } from 'node:util';

/** A number or `false` is the default; a text is empty unless it is given, and the usage shows an example. */
type Flag = number | false | { readonly example: string };
/** By name, without the dashes. */
export type Flags = Readonly<Record<string, Flag>>;
/** A value of each flag. */
export type Values<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends number ? number : F[Name] extends false ? boolean : string;
};

interface CommandLine<F extends Flags> {
  /** As it is typed, such as `npm run bench -- grpc`. */
  readonly command: string;
  readonly flags: F;
  /** What may be named after the command; default: nothing. */
  readonly names?: readonly string[];
}

interface Arguments<F extends Flags> {
  readonly values: Values<F>;
  readonly names: readonly string[];
}

/** What the command takes, on one line. */
export function usageOf({ command, flags, names = [] }: CommandLine<Flags>): string {
  const shown = Object.entries(flags).map(([name, flag]) => `[--${name}${exampleOf(flag)}]`);
  return [command, ...shown, ...(names.length === 0 ? [] : [`[${names.join(' | ')}]...`])].join(' ');
}

function exampleOf(flag: Flag): string {
  if (flag === false) return '';
  return ` ${typeof flag === 'number' ? flag : flag.example}`;
}

/** The arguments of this process. Prints the usage, or what is wrong with them, and ends the process otherwise. */
export function readCommandLine<const F extends Flags>(
  line: CommandLine<F>,
  args: readonly string[] = process.argv.slice(2),
): Arguments<F> {
  if (args.some((arg) => arg === '--help' || arg === '-h')) {
    process.stdout.write(`${usageOf(line)}\n`);
    process.exit(0);
  }
  const read = parseCommandLine(line, args);
  if (typeof read !== 'string') return read;
  endWithProblem(read);
}

/** Says in one sentence what was expected, and ends the process with the exit code of a wrong command line. */
export function endWithProblem(problem: string): never {
  process.stderr.write(`${problem}\n`);
  process.exit(2);
}

/** The arguments, or a sentence that says what was expected. */
export function parseCommandLine<const F extends Flags>(line: CommandLine<F>, args: readonly string[]): Arguments<F> | string {
  const { flags, names: known = [] } = line;
  const values: Record<string, number | string | boolean> = {};
  for (const [name, flag] of Object.entries(flags)) values[name] = typeof flag === 'object' ? '' : flag;
  const types = Object.entries(flags).map(([name, flag]) => [name, { type: flag === false ? 'boolean' : 'string' }] as const);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const names: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      if (!known.includes(token.value)) return `expected ${usageOf(line)}, got '${token.value}'`;
      names.push(token.value);
      continue;
    }
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) return `expected ${usageOf(line)}, got '${token.rawName}'`;
    const value = valueOf(flag, token.value);
    if (value === null) return `${token.rawName}: expected ${expectedOf(flag)}, got '${token.value ?? ''}'`;
    values[token.name] = value;
  }
  return { values: values as Values<F>, names };
}

/** Null if the text is no such value. */
function valueOf(flag: Flag, text: string | undefined): number | string | boolean | null {
  if (flag === false) return text === undefined ? true : null;
  if (text === undefined || text === '') return null;
  if (typeof flag !== 'number') return text;
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : null;
}

function expectedOf(flag: Flag): string {
  if (flag === false) return 'no value';
  return typeof flag === 'number' ? 'a number above 0' : `a value such as ${flag.example}`;
}

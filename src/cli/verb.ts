/** What all verbs share: the options of where to talk and how to print, and the way out to the terminal. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../errors.ts';
import { defaultDataDirectory, keyOf, serverUrl } from './address.ts';
import { Client } from './client.ts';
import type { Doors, OutputForm } from './doors.ts';
import { Failure } from './failure.ts';
import { Style } from './style.ts';

export interface CommonOptions {
  readonly dataDir: string;
  readonly output: OutputForm;
}

/** How a verb talks: to the server and to the person. */
export class Session {
  readonly doors: Doors;
  readonly options: CommonOptions;
  readonly style: Style;
  readonly #isDataDirGiven: boolean;

  /** `isDataDirGiven`: the user named the data directory, so that only its own server will do. */
  constructor(doors: Doors, options: CommonOptions, isDataDirGiven = false) {
    this.doors = doors;
    this.options = options;
    this.style = new Style(doors.stdout, doors.env);
    this.#isDataDirGiven = isDataDirGiven;
  }

  async client(): Promise<Client> {
    const { env, interrupted } = this.doors;
    return new Client(await serverUrl(env, this.options.dataDir, this.#isDataDirGiven), keyOf(env), interrupted);
  }

  get wantsJson(): boolean {
    return this.options.output === 'json';
  }

  /** The answer of a verb: `value` for programs, `text` (which ends its own lines) for people. */
  print(value: unknown, text: string): void {
    this.doors.stdout.write(this.wantsJson ? `${JSON.stringify(value, null, 2)}\n` : text);
  }

  /** A word beside the answer. Programs do not get it. */
  remark(text: string): void {
    if (!this.wantsJson) this.doors.stderr.write(`${text}\n`);
  }
}

export type Run<Options extends CommonOptions, Arguments extends readonly unknown[]> = (
  session: Session,
  options: Options,
  ...args: Arguments
) => Promise<number | undefined>;

function sentence(summary: string): string {
  return `${summary.slice(0, 1).toUpperCase()}${summary.slice(1)}.`;
}

/** Adds a verb that has verbs of its own, such as `async`; the answer takes them. */
export function verbGroup(program: Command, name: string, summary: string): Command {
  const group = program.command(name).summary(summary).description(sentence(summary));
  group.allowExcessArguments().allowUnknownOption(); // reported below, in words that fit
  group.action(() => {
    const [word] = group.args;
    const [last = '', ...others] = group.commands.map((command) => command.name()).toReversed();
    const problem =
      word === undefined
        ? 'a verb is missing'
        : word.startsWith('-')
          ? `unknown option '${word}'`
          : `there is no verb '${word}' in ${name}`;
    throw new Failure(`${problem}: ${others.toReversed().join(', ')} or ${last}; see penstock ${name} --help`, 2);
  });
  return group;
}

/** Adds a verb that talks to a server. Its `run` answers with an exit code, 0 where it says nothing. */
export function verb(parent: Command, doors: Doors, usage: string, summary: string): VerbBuilder {
  const command = parent.command(usage).summary(summary).description(sentence(summary));
  command.allowExcessArguments(false).allowUnknownOption(false); // a group's verbs would take over what the group allows
  addDataDirectory(command, doors);
  command.addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'));
  return new VerbBuilder(command, doors);
}

export function addDataDirectory(command: Command, doors: Doors): void {
  const preset = doors.env.PENSTOCK_DATA_DIR;
  command.option(
    '--data-dir <dir>',
    'the data directory of the server',
    preset === undefined || preset === '' ? defaultDataDirectory : preset,
  );
}

class VerbBuilder {
  readonly command: Command;
  readonly #doors: Doors;

  constructor(command: Command, doors: Doors) {
    this.command = command;
    this.#doors = doors;
  }

  /** `make` may add arguments and options. */
  with(make: (command: Command) => void): this {
    make(this.command);
    return this;
  }

  runs<Options extends CommonOptions, Arguments extends readonly unknown[]>(run: Run<Options, Arguments>): void {
    this.command.action(async (...all: unknown[]) => {
      const count = this.command.registeredArguments.length;
      const options = withNone(this.command, all[count] as Options);
      const isDataDirGiven = this.command.getOptionValueSource('dataDir') !== 'default' || options.dataDir !== defaultDataDirectory;
      const session = new Session(this.#doors, options, isDataDirGiven);
      const code = await run(session, options, ...(all.slice(0, count) as unknown as Arguments));
      exitCodes.set(root(this.command), code ?? 0);
    });
  }
}

/** An option that is parsed to null (`none`) reaches us as '', which no parser makes: commander takes null for nothing at all. */
function withNone<Options extends object>({ options: known }: Command, given: Options): Options {
  const parsed = new Set(known.filter(({ parseArg }) => parseArg !== undefined).map((option) => option.attributeName()));
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, value === '' && parsed.has(name) ? null : value]),
  ) as Options;
}

/** Commander has no way to answer with an exit code: each program keeps the one of the verb that ran. */
export const exitCodes = new WeakMap<Command, number>();

export function root(command: Command): Command {
  let top = command;
  while (top.parent !== null) top = top.parent;
  return top;
}

/** Turns a function that throws `PlatformError` into one that commander reports as a wrong option. */
export function parsedBy<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error));
    }
  };
}

/** A whole number within bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`);
    return value;
  };
}

/** Collects `KEY=VALUE` options, each given as often as wanted. */
export function pairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected KEY=VALUE');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** As `pairs`, where the values are numbers. */
export function numbers(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [[key, value] = ['', '']] = Object.entries(pairs(text));
  if (value.trim() === '' || !Number.isFinite(Number(value))) throw new InvalidArgumentError('expected KEY=NUMBER');
  return { ...before, [key]: Number(value) };
}

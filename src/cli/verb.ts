/** Shared by all verbs: the options `--data-dir` and `--output`, the client, and printing. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../errors.ts';
import type { CliContext, OutputForm } from './cli-context.ts';
import { CliError } from './cli-error.ts';
import { apiKeyFrom, type DirectorySource, defaultDataDirectory, serverUrl, storedKey } from './client/address.ts';
import { Client } from './client/client.ts';
import { Style } from './output/style.ts';
import { suggestedVerb } from './suggest.ts';

export interface CommonOptions {
  readonly dataDir: string;
  readonly output: OutputForm;
}

/** A verb's access to the server and the terminal. */
export class VerbSession {
  readonly context: CliContext;
  readonly options: CommonOptions;
  readonly style: Style;
  readonly #directorySource: DirectorySource;

  constructor(context: CliContext, options: CommonOptions, directorySource: DirectorySource = 'default') {
    this.context = context;
    this.options = options;
    this.style = new Style(context.stdout, context.env);
    this.#directorySource = directorySource;
  }

  async client(): Promise<Client> {
    const { env, interrupted } = this.context;
    const url = await serverUrl(env, this.options.dataDir, this.#directorySource);
    return new Client(url, await this.keyFor(url), interrupted, this.wantsJson);
  }

  /** PENSTOCK_KEY, else the stored key of the data directory if its server is at `url`. */
  async keyFor(url: string): Promise<string | undefined> {
    const { env } = this.context;
    const key = apiKeyFrom(env);
    return key !== undefined || env.PENSTOCK_URL === url ? key : storedKey(url, this.options.dataDir);
  }

  get wantsJson(): boolean {
    return this.options.output === 'json';
  }

  /** Prints a verb's result: `value` as JSON, or `text`, which includes its final newline. */
  print(value: unknown, text: string): void {
    this.context.stdout.write(this.wantsJson ? `${JSON.stringify(value, null, 2)}\n` : text);
  }

  /** Prints a remark to stderr, unless the output is JSON. */
  remark(text: string): void {
    if (!this.wantsJson) this.context.stderr.write(`${text}\n`);
  }
}

export type Run<Options extends CommonOptions, Arguments extends readonly unknown[]> = (
  session: VerbSession,
  options: Options,
  ...args: Arguments
) => Promise<number | undefined>;

function sentence(summary: string): string {
  return `${summary.slice(0, 1).toUpperCase()}${summary.slice(1)}.`;
}

/**
 * Adds a verb that has subverbs, such as `async`. Add those to the returned command. Without a subverb, it runs `list` if that needs no
 * argument: `penstock alarms` lists the alarms.
 */
export function verbGroup(program: Command, name: string, summary: string): Command {
  const group = program.command(name).summary(summary).description(sentence(summary));
  group.allowExcessArguments().allowUnknownOption(); // reported below, with a better message
  group.action(async () => {
    const [word] = group.args;
    const list = group.commands.find(
      (command) => command.name() === 'list' && command.registeredArguments.every(({ required }) => !required),
    );
    if (list !== undefined && (word === undefined || word.startsWith('-'))) {
      await list.parseAsync(group.args, { from: 'user' });
      return;
    }
    const names = group.commands.map((command) => command.name());
    const meant = word === undefined ? null : suggestedVerb(word, names);
    const path = program.parent === null ? name : `${program.name()} ${name}`; // of a group in a group, as `cluster token`
    const suggestion = meant === null ? '' : `did you mean \`penstock ${path} ${meant}\`? `;
    const problem = word === undefined ? 'missing verb' : word.startsWith('-') ? `unknown option '${word}'` : `unknown verb '${word}'`;
    const [last = '', ...others] = names.toReversed();
    const expected = `${suggestion}${suggestion === '' ? 'expected' : 'Expected'} ${others.toReversed().join(', ')} or ${last}`;
    throw new CliError(`${problem}: ${expected}; see penstock ${path} --help`, 2);
  });
  return group;
}

/** Adds a verb that calls a server. Its `run` may resolve to an exit code; the default is 0. */
export function verb(parent: Command, context: CliContext, usage: string, summary: string): VerbBuilder {
  const command = parent.command(usage).summary(summary).description(sentence(summary));
  command.allowExcessArguments(false).allowUnknownOption(false); // else inherited from the group
  return new VerbBuilder(command, context);
}

/** Last in the help: own options come first, under their headings if the verb has any. */
function addCommonOptions(command: Command, context: CliContext): void {
  if (command.optionsGroup() !== '') command.optionsGroup('Server and output:').helpOption(true);
  addDataDirectory(command, context);
  command.addOption(new Option('--output <form>', 'output format').choices(['text', 'json']).default('text'));
}

export function addDataDirectory(command: Command, context: CliContext): void {
  const preset = context.env.PENSTOCK_DATA_DIR;
  command.option('--data-dir <dir>', "the server's data directory", preset === undefined || preset === '' ? defaultDataDirectory : preset);
}

class VerbBuilder {
  readonly command: Command;
  readonly #context: CliContext;

  constructor(command: Command, context: CliContext) {
    this.command = command;
    this.#context = context;
  }

  /** `make` may add arguments and options. */
  with(make: (command: Command) => void): this {
    make(this.command);
    return this;
  }

  runs<Options extends CommonOptions, Arguments extends readonly unknown[]>(run: Run<Options, Arguments>): void {
    addCommonOptions(this.command, this.#context);
    this.command.action(async (...all: unknown[]) => {
      const count = this.command.registeredArguments.length;
      const options = withNone(this.command, all[count] as Options);
      const isFlag = this.command.getOptionValueSource('dataDir') !== 'default';
      const source = isFlag ? 'flag' : options.dataDir === defaultDataDirectory ? 'default' : 'environment';
      const session = new VerbSession(this.#context, options, source);
      const code = await run(session, options, ...(all.slice(0, count) as unknown as Arguments));
      exitCodes.set(root(this.command), code ?? 0);
    });
  }
}

/** Restores options parsed to null (`none`): commander turns null into '', which no parser returns. */
function withNone<Options extends object>({ options: known }: Command, provided: Options): Options {
  const parsed = new Set(known.filter(({ parseArg }) => parseArg !== undefined).map((option) => option.attributeName()));
  return Object.fromEntries(
    Object.entries(provided).map(([name, value]) => [name, value === '' && parsed.has(name) ? null : value]),
  ) as Options;
}

/** The exit code of the verb that ran, by program: commander cannot return one. */
export const exitCodes = new WeakMap<Command, number>();

/** The program that a verb or subverb belongs to. */
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

/** A parser of whole numbers within inclusive bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`);
    return value;
  };
}

/** Collects repeatable `KEY=VALUE` options. */
export function pairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected KEY=VALUE');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Like `pairs`, with numeric values. */
export function numbers(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [[key, value] = ['', '']] = Object.entries(pairs(text));
  if (value.trim() === '' || !Number.isFinite(Number(value))) throw new InvalidArgumentError('expected KEY=NUMBER');
  return { ...before, [key]: Number(value) };
}

/** What a shell completes after each verb, read from the command table. */
import type { Command, Option } from 'commander';

/** An option as the shells' scripts need it. */
export interface CompletedOption {
  /** `--follow` and, if it has one, `-f`. */
  readonly flags: readonly string[];
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly summary: string;
}

/** A verb, or a group of verbs such as `keys`. */
export interface CompletedVerb {
  /** The words after `penstock`, each with a space before it: empty for the program itself, ` keys create`. */
  readonly path: string;
  readonly verbs: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly CompletedOption[];
  /** Values of the first argument, if it is one of a few. */
  readonly choices: readonly string[];
  /** The first argument is the name of an existing endpoint. */
  readonly takesEndpoint: boolean;
}

/** The program itself, then each verb and its subverbs. */
export function completedVerbs(program: Command): CompletedVerb[] {
  return verbsUnder(program, '');
}

function verbsUnder(command: Command, path: string): CompletedVerb[] {
  const [first] = command.registeredArguments;
  const help = { name: 'help', summary: 'show how to use a verb' };
  const own: CompletedVerb = {
    path,
    verbs: [...command.commands.map((each) => ({ name: each.name(), summary: each.summary() })), ...(path === '' ? [help] : [])],
    options: command.options.filter(({ hidden }) => !hidden).map(completedOption),
    choices: first?.argChoices ?? [],
    takesEndpoint: first !== undefined && /^endpoint\b/.test(first.name()),
  };
  return [own, ...command.commands.flatMap((each) => verbsUnder(each, `${path} ${each.name()}`))];
}

function completedOption({ long, short, required, optional, argChoices, description }: Option): CompletedOption {
  return {
    flags: [long, short].filter((flag) => flag !== undefined),
    takesValue: required || optional,
    choices: argChoices ?? [],
    summary: description,
  };
}

/** Lists the names of all endpoints: those of the objects in the array that `--output json` prints, with their indentation. */
export const endpointNames = `endpoints --output json 2>/dev/null | sed -n 's/^    "name": "\\([A-Za-z0-9-]*\\)",*$/\\1/p'`;

/** For POSIX shells and zsh. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Runs one command line. Exit codes: 0 success, 1 rejected or failed, 2 invalid command line. */
import { type Command, CommanderError } from 'commander';
import { messageOf, PlatformError } from '../errors.ts';
import type { CliContext } from './cli-context.ts';
import { CliError } from './cli-error.ts';
import { makeProgram } from './program.ts';
import { suggestedVerb } from './suggest.ts';
import { exitCodes } from './verb.ts';

/** `argv` without the program itself: `['deploy', 'digits.onnx']`. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  const program = await makeProgram(context, argv.includes('completion') ? 'all' : argv);
  if (argv.length === 0) {
    context.stderr.write(program.helpInformation());
    return 2;
  }
  try {
    await program.parseAsync(expandHelp(knownVerbs(argv, program), program), { from: 'user' });
    return exitCodes.get(program) ?? 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    context.stderr.write(`penstock: ${complaint(error, program, argv).replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return exitCodeOf(error);
  }
}

/** Rewrites `help async list` to `async list --help`. Never runs a verb: `help delete digits` deletes nothing. */
function expandHelp(argv: readonly string[], program: Command): readonly string[] {
  const [help, ...words] = argv;
  if (help !== 'help') return argv;
  let known = program;
  for (const [i, word] of words.entries()) {
    if (known.commands.length === 0) return [...words.slice(0, i), '--help'];
    const next = known.commands.find((command) => command.name() === word);
    if (next === undefined) return words;
    known = next;
  }
  return [...words, '--help'];
}

/** Drops `--help` after an unknown verb, so `fly --help` is an error like `fly` instead of printing the program's help. */
function knownVerbs(argv: readonly string[], program: Command): readonly string[] {
  let known = program;
  for (const [i, word] of argv.entries()) {
    if (known.commands.length === 0 || word.startsWith('-') || word === 'help') return argv;
    const next = known.commands.find((command) => command.name() === word);
    if (next === undefined) return [...argv.slice(0, i + 1), ...argv.slice(i + 1).filter((each) => each !== '--help' && each !== '-h')];
    known = next;
  }
  return argv;
}

function complaint(error: unknown, program: Command, argv: readonly string[]): string {
  if (!(error instanceof CommanderError)) return messageOf(error);
  const message = error.code === 'commander.help' ? 'missing verb' : (unknownVerb(error, program) ?? error.message.replace(/^error: /, ''));
  const text = message.trim().replace(/\.$/, '');
  return `${text}${text.endsWith('?') ? ' See' : '; see'} ${resolveVerb(program, argv)} --help`;
}

/** Null unless the error is about an unknown verb. */
function unknownVerb({ code, message }: CommanderError, program: Command): string | null {
  if (code !== 'commander.unknownCommand') return null;
  const [, word = ''] = /unknown command '(.*?)'/s.exec(message) ?? [];
  const verb = suggestedVerb(
    word,
    program.commands.map((command) => command.name()),
  );
  return `unknown verb '${word.slice(0, 80)}'${verb === null ? '' : `: did you mean \`penstock ${verb}\`?`}`;
}

/** The longest prefix of `argv` that names verbs, such as `penstock async list`. */
function resolveVerb(program: Command, argv: readonly string[]): string {
  const [word, ...rest] = argv;
  const next = program.commands.find((command) => command.name() === word);
  return next === undefined ? program.name() : `${program.name()} ${resolveVerb(next, rest)}`;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof CommanderError) return 2;
  return error instanceof PlatformError && error.code === 'invalid_request' ? 2 : 1;
}

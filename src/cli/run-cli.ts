/** Runs one command line and answers with its exit code: 0 well, 1 refused or failed, 2 not understood. */
import { type Command, CommanderError } from 'commander';
import { messageOf, PlatformError } from '../errors.ts';
import type { Doors } from './doors.ts';
import { Failure } from './failure.ts';
import { makeProgram } from './program.ts';
import { exitCodes } from './verb.ts';

/** `argv` without the program itself: `['deploy', 'digits.onnx']`. */
export async function runCli(argv: readonly string[], doors: Doors): Promise<number> {
  const program = makeProgram(doors);
  if (argv.length === 0) {
    doors.stderr.write(program.helpInformation());
    return 2;
  }
  try {
    await program.parseAsync(inPlaceOfHelp(knownVerbs(argv, program), program), { from: 'user' });
    return exitCodes.get(program) ?? 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    doors.stderr.write(`penstock: ${complaint(error, program, argv).replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return exitCodeOf(error);
  }
}

/** `help async list` is `async list --help`. What there is not is told where verbs are wanted; a verb itself is never run: `help delete digits` deletes nothing. */
function inPlaceOfHelp(argv: readonly string[], program: Command): readonly string[] {
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

/** `fly --help` is refused as `fly` is: help of something else would look as if there were such a verb. */
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
  const message = error.code === 'commander.help' ? 'a verb is missing' : error.message.replace(/^error: /, '');
  return `${message.trim().replace(/\.$/, '')}; see ${verbMeant(program, argv)} --help`;
}

/** `penstock async list`: as far as there are such verbs. */
function verbMeant(program: Command, argv: readonly string[]): string {
  const [word, ...rest] = argv;
  const next = program.commands.find((command) => command.name() === word);
  return next === undefined ? program.name() : `${program.name()} ${verbMeant(next, rest)}`;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof Failure) return error.exitCode;
  if (error instanceof CommanderError) return 2;
  return error instanceof PlatformError && error.code === 'invalid_request' ? 2 : 1;
}

/** Checks command lines of penstock in the chart, in compose files and in scripts: with the parser of its verbs, and its check of settings. */
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { makeProgram } from '../../src/cli/program.ts';
import { SystemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config.ts';
import { messageOf } from '../../src/errors.ts';

/** What is wrong with a process `penstock ARGS` with these variables. Null: it would start. */
export async function commandLineError(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string | null> {
  const { command, rest } = verbOf(await wholeProgram(), args);
  if (command.commands.length > 0) return `penstock ${args.slice(0, args.length - rest.length).join(' ')} has no verb ${rest[0] ?? ''}`;
  try {
    const { unknown, operands } = command.parseOptions([...rest]);
    if (unknown.length > 0) return `penstock ${command.name()} has no option ${unknown.join(' ')}`;
    const missing = command.options.find((option) => option.mandatory && command.getOptionValue(option.attributeName()) === undefined);
    if (missing !== undefined) return `penstock ${command.name()} needs ${missing.flags}`;
    const wanted = command.registeredArguments.filter(({ required }) => required).length;
    if (operands.length < wanted || operands.length > command.registeredArguments.length) {
      return `penstock ${command.name()} takes other arguments than ${operands.join(' ')}`;
    }
    if (command.name() === 'up') loadConfig({ flags: command.opts(), env });
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** The command line as it is, with every verb. */
function wholeProgram(): Promise<Command> {
  const quiet = { write: () => true };
  const process = { stdout: quiet, stderr: quiet, stdin: new PassThrough(), env: {}, interrupted: new AbortController().signal };
  const server = { up: () => Promise.resolve(0), quickstart: () => Promise.resolve(0) };
  return makeProgram({ ...process, ...server, clock: new SystemClock(), version: '' }, 'all');
}

/** `rest`: the arguments after its name. */
function verbOf(program: Command, args: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  const [name, ...rest] = args;
  const command = program.commands.find((each) => each.name() === name);
  return command === undefined ? { command: program, rest: args } : verbOf(command, rest);
}

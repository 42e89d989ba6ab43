/** The command line: the help of every verb, and the verbs that a command line names in full. */
import { Command, Help, type Option } from 'commander';
import type { CliContext } from './cli-context.ts';
import { verbTable } from './verb-table.ts';

/**
 * The program with those verbs in full that are among `words`; of the others only what the program's help shows.
 * With 'all', every verb is there in full: for completion, which lists their options.
 */
export async function makeProgram(context: CliContext, words: readonly string[] | 'all'): Promise<Command> {
  const program = new Command('penstock')
    .description('Self-hosted machine-learning inference: bring a model and a latency objective (p95 <= 50 ms).')
    .version(context.version, '--version', 'print the version')
    .configureHelp({ optionDescription: withoutEmptyDefault, subcommandTerm: nameAndArguments })
    .usage('<verb> [options]')
    .addHelpCommand(new Command('help').argument('[verb]').description('show how to use a verb').helpGroup('Server:'))
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: () => {}, // `run-cli.ts` prints it, in one line
    })
    .addHelpText(
      'after',
      '\nVerbs call the server of --data-dir if given, else PENSTOCK_URL, else http://127.0.0.1:8080, with the key in PENSTOCK_KEY.' +
        '\nStart with: penstock quickstart',
    );
  for (const [heading, rows] of Object.entries(verbTable)) {
    program.commandsGroup(heading);
    for (const { usage, summary, load } of rows) {
      if (words === 'all' || words.includes(nameIn(usage))) (await load())(program, context);
      else program.command(usage).summary(summary);
    }
  }
  return program;
}

/** `deploy` of `deploy <model> [endpoint]`. */
function nameIn(usage: string): string {
  return usage.replace(/ .*/, '');
}

/** Without `[options]`: the usage line already says that verbs have options. */
function nameAndArguments(this: Help, command: Command): string {
  return Help.prototype.subcommandTerm.call(this, command).replace(' [options]', '');
}

/** Hides the defaults `false` and `[]`, which say nothing. */
function withoutEmptyDefault(this: Help, option: Option): string {
  return Help.prototype.optionDescription.call(this, option).replace(/ \(default: (?:false|\[\])\)$/, '');
}

/** `penstock completion`: a script that completes verbs, options and endpoints in a shell. */
import { Argument, type Command } from 'commander';
import type { CliContext } from '../../cli-context.ts';
import { bashCompletion } from '../../completion/bash.ts';
import { type CompletedVerb, completedVerbs } from '../../completion/completed-verb.ts';
import { fishCompletion } from '../../completion/fish.ts';
import { zshCompletion } from '../../completion/zsh.ts';
import { root } from '../../verb.ts';

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const satisfies Readonly<
  Record<string, (verbs: readonly CompletedVerb[]) => string>
>;

export function addCompletion(program: Command, context: CliContext): void {
  const summary = 'print a script that completes verbs, options and endpoints in a shell';
  const command = program.command('completion').summary(summary).description('Print a script that completes verbs, options and endpoints.');
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      `
Load it in the startup file of the shell:
  ~/.bashrc                    eval "$(penstock completion bash)"
  ~/.zshrc, after compinit     eval "$(penstock completion zsh)"
  ~/.config/fish/config.fish   penstock completion fish | source`,
    )
    .action((shell: keyof typeof scripts) => {
      context.stdout.write(scripts[shell](completedVerbs(root(command))));
    });
}

/** `penstock up` and `penstock quickstart`: the flags of a server. What they do is handed in. */
import { type Command, Option } from 'commander';
import { flagName, type Setting, settings } from '../../config.ts';
import { defaultDataDirectory } from '../address.ts';
import type { Doors, Flags, OutputForm } from '../doors.ts';
import { exitCodes, root } from '../verb.ts';
import { bytesText, msText } from '../words.ts';

export function addUp(program: Command, doors: Doors): void {
  const command = program.command('up').summary('start the server');
  command.description('Start the server. stdout gets one line, `penstock ready URL`, when it serves; all else goes to stderr.');
  addServerFlags(command, defaultDataDirectory);
  command.action(async (options: Flags) => {
    exitCodes.set(root(command), await doors.up({ flags: options }));
  });
}

export function addQuickstart(program: Command, doors: Doors): void {
  const command = program.command('quickstart').summary('start a server, deploy a model, put it under load');
  command.description('Start a server, deploy a model that reads digits with its objective, put it under load and say how it went.');
  addServerFlags(command, `${defaultDataDirectory}/quickstart`);
  command.option('--exit', 'end when the load is over, rather than keep serving', false);
  command.addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'));
  command.action(async ({ exit, output, ...flags }: { exit: boolean; output: OutputForm }) => {
    exitCodes.set(root(command), await doors.quickstart({ flags, exit, output }));
  });
}

/**
 * A flag for each setting of the configuration that may be one. Values go on as they were written: what makes sense,
 * and what holds where no flag is given, is for the configuration to say.
 */
function addServerFlags(command: Command, dataDirectory: string): void {
  for (const setting of Object.values<Setting>(settings)) {
    if (setting.only !== undefined && !setting.only.includes('flag')) continue;
    const preset = setting.name === settings.dataDir.name ? dataDirectory : setting.default;
    const shown = preset === null ? '' : ` (default: ${presetText(setting.placeholder, preset)})`;
    command.option(`${flagName(setting)} <${setting.placeholder}>`, `${setting.help}${shown}`);
  }
}

/** A default as one would write it: `64MiB`, `60s`. */
function presetText(placeholder: string, preset: unknown): string {
  if (placeholder === 'SIZE') return bytesText(Number(preset)).replace(' ', '');
  if (placeholder === 'TIME') return msText(Number(preset)).replace(' ', '');
  return String(preset);
}

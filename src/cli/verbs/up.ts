/** `penstock up` and `penstock quickstart`: the flags of a server. What they do is handed in. */
import { type Command, Option } from 'commander';
import { parseDurationMs } from '../../objective.ts';
import type { Doors, OutputForm } from '../doors.ts';
import { addDataDirectory, exitCodes, parsedBy, root, wholeNumber } from '../verb.ts';

type Flags = Record<string, string | number>;

export function addUp(program: Command, doors: Doors): void {
  const command = program.command('up').summary('start the server');
  command.description('Start the server. stdout gets one line, `penstock ready URL`, when it serves; all else goes to stderr.');
  addServerFlags(command, doors);
  command.action(async (options: Flags) => {
    exitCodes.set(root(command), await doors.up({ flags: options }));
  });
}

export function addQuickstart(program: Command, doors: Doors): void {
  const command = program.command('quickstart').summary('start a server, deploy a model, put it under load');
  command.description('Start a server, deploy a model that reads digits with its objective, put it under load and say how it went.');
  addServerFlags(command, doors);
  command.option('--exit', 'end when the load is over, rather than keep serving', false);
  command.addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'));
  command.action(async ({ exit, output, ...flags }: Flags & { exit: boolean; output: OutputForm }) => {
    exitCodes.set(root(command), await doors.quickstart({ flags: flags as Flags, exit, output }));
  });
}

/** No defaults here: what is not given is for the configuration to decide. */
function addServerFlags(command: Command, doors: Doors): void {
  if (command.name() === 'up') addDataDirectory(command, doors);
  else command.option('--data-dir <dir>', 'where to keep its state (default: "./penstock-data/quickstart")');
  command
    .option('--host <address>', 'the address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'the port to listen on, 0 for any free one (default: 8080)', wholeNumber(0, 65_535))
    .addOption(new Option('--tls <mode>', 'encrypt; self-signed makes a certificate').choices(['off', 'self-signed']))
    .option('--tls-cert <file>', 'certificate, PEM; with --tls-key')
    .option('--tls-key <file>', 'private key, PEM; with --tls-cert')
    .option('--database-url <url>', 'PostgreSQL instead of the file state.db')
    .option('--timeout <duration>', 'the longest a request may take (default: 60s)', parsedBy(parseDurationMs))
    .addOption(new Option('--log-level <level>', 'what is told on stderr').choices(['debug', 'info', 'warn', 'error', 'silent']));
}

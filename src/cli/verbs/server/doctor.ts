/** `penstock doctor`: checks whether this machine can run a server. Needs no server. Exit code 1 if there is a problem. */
import type { Command } from 'commander';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Check, checkMachine } from '../../doctor/machine-checks.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, verb, wholeNumber } from '../../verb.ts';

interface DoctorOptions extends CommonOptions {
  readonly port: number;
}

export function addDoctor(program: Command, context: CliContext): void {
  verb(program, context, 'doctor', 'check that this machine can run a server')
    .with((command) => command.option('--port <port>', 'the port to check', wholeNumber(1, 65_535), 8080))
    .runs(async (session, options: DoctorOptions) => {
      const checks = await checkMachine({ dataDirectory: options.dataDir, port: options.port });
      session.print(
        checks,
        table<Check>(checks, [
          { title: 'CHECK', cell: (check) => check.name },
          { title: 'RESULT', cell: (check) => session.style.state(check.result) },
          { title: 'FOUND', cell: (check) => check.found },
          { title: 'ADVICE', cell: (check) => check.advice },
        ]),
      );
      const problems = checks.filter((check) => check.result === 'problem');
      if (problems.length === 0) return 0;
      throw new CliError(`fix before starting a server: ${problems.map((check) => check.name).join(', ')}`);
    });
}

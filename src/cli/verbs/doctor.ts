/** `penstock doctor`: can this machine run a server? Needs no server. Exit code 1 where something required is missing. */
import type { Command } from 'commander';
import type { Doors } from '../doors.ts';
import { type Check, checkMachine } from '../machine-checks.ts';
import { table } from '../table.ts';
import { type CommonOptions, verb, wholeNumber } from '../verb.ts';

interface DoctorOptions extends CommonOptions {
  readonly port: number;
}

export function addDoctor(program: Command, doors: Doors): void {
  verb(program, doors, 'doctor', 'check that this machine can run a server')
    .with((command) => command.option('--port <port>', 'the port to look at', wholeNumber(1, 65_535), 8080))
    .runs(async (session, options: DoctorOptions) => {
      const checks = await checkMachine({ dataDirectory: options.dataDir, port: options.port });
      session.print(
        checks,
        table<Check>(checks, [
          { title: 'CHECK', cell: (check) => check.name },
          { title: 'RESULT', cell: (check) => session.style.state(check.result) },
          { title: 'FOUND', cell: (check) => check.found },
          { title: 'WHAT TO DO', cell: (check) => check.advice },
        ]),
      );
      const problems = checks.filter((check) => check.result === 'problem');
      if (problems.length > 0)
        session.remark(`${problems.map((check) => check.name).join(', ')}: repair this first, then \`penstock up\` will start`);
      return problems.length > 0 ? 1 : 0;
    });
}

/** `penstock tuning list | describe | stop | delete`: tuning jobs. */
import type { Command } from 'commander';
import type { TuningJobBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { tuningPathOf } from '../../training/follow-tuning.ts';
import { tuningsTable } from '../../training/format-tuning.ts';
import { printTuning } from '../../training/print-job.ts';
import { verb, verbGroup } from '../../verb.ts';

export function addTuning(program: Command, context: CliContext): void {
  const group = verbGroup(program, 'tuning', 'list, show, stop and delete tuning jobs');
  verb(group, context, 'list', 'list the tuning jobs, newest first').runs(async (session) => {
    const items = await (await session.client()).all<TuningJobBody>('/tuning-jobs');
    session.print(
      { items },
      items.length === 0 ? 'no tuning jobs yet: start one with `penstock tune SCRIPT`\n' : tuningsTable(items, session.style),
    );
    return 0;
  });
  verb(group, context, 'describe <tuning>', 'show a tuning job: its trials, their picture, and the best').runs(
    async (session, _options, name: string) => {
      const client = await session.client();
      await printTuning(session, client, await client.get<TuningJobBody>(tuningPathOf(name)));
      return 0;
    },
  );
  verb(group, context, 'stop <tuning>', 'stop a tuning job and its training jobs').runs(async (session, _options, name: string) => {
    const job = await (await session.client()).post<TuningJobBody>(`${tuningPathOf(name)}/stop`, { json: {} });
    session.print(job, `${job.name} is ${session.style.state(job.status)}\n`);
    return 0;
  });
  verb(group, context, 'delete <tuning>', 'delete a tuning job that is over; its training jobs stay').runs(
    async (session, _options, name: string) => {
      await (await session.client()).delete(tuningPathOf(name));
      session.print({ deleted: name }, `${name} was deleted\n`);
      return 0;
    },
  );
}

/** Follows a tuning job until it has ended. Ctrl-C detaches. */
import type { TuningJobBody } from '../../api/index.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { pause } from '../client/pause.ts';
import { shellQuoted } from '../output/format.ts';
import { Progress } from '../output/progress.ts';
import type { VerbSession } from '../verb.ts';
import { formatMetric } from './format-job.ts';
import { trialValuesText } from './format-tuning.ts';

const pollMs = 500;

export function tuningPathOf(name: string): string {
  return `/tuning-jobs/${pathSegment(name)}`;
}

/** The job after its end; null if Ctrl-C detached. */
export async function followTuning(session: VerbSession, client: Client, first: TuningJobBody): Promise<TuningJobBody | null> {
  const { context } = session;
  const progress = new Progress(context);
  let now = first;
  progress.stage('tune', lineOf(now));
  while (now.status === 'InProgress' || now.status === 'Stopping') {
    await pause(context.clock, pollMs, context.interrupted);
    if (context.interrupted.aborted) {
      progress.done(`${now.name}: detached, it continues`);
      session.remark(
        `see it with penstock tuning describe ${shellQuoted(now.name)}, stop it with penstock tuning stop ${shellQuoted(now.name)}`,
      );
      return null;
    }
    now = await client.get<TuningJobBody>(tuningPathOf(now.name));
    if (context.stderr.isTTY === true) progress.write(lineOf(now));
  }
  if (now.status === 'Completed') progress.done(lineOf(now));
  else {
    progress.write(lineOf(now));
    progress.fail();
  }
  return now;
}

function lineOf({ name, counts, jobs, best, metric }: TuningJobBody): string {
  const over = counts.completed + counts.failed + counts.stopped;
  const value = best?.objective ?? null;
  const found = best === null || value === null ? '' : ` · best ${metric} ${formatMetric(value)} with ${trialValuesText(best)}`;
  return `${name}: ${over} of ${jobs} trials, ${counts.in_progress} running${found}`;
}

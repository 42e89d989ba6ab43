/** Follows a run of a pipeline in the terminal, one stage per step. Ctrl-C detaches. */
import type { PipelineRunBody, TrainingJobBody } from '../../api/index.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { pause } from '../client/pause.ts';
import { Progress } from '../output/progress.ts';
import type { VerbSession } from '../verb.ts';
import { jobPath } from './follow-job.ts';
import { stagesText } from './format-job.ts';

const pollMs = 200;

export function runPath(pipeline: string, number: number | null = null): string {
  return `/pipelines/${pathSegment(pipeline)}/runs${number === null ? '' : `/${number}`}`;
}

/** The run after its end; null if Ctrl-C detached. */
export async function followRun(session: VerbSession, client: Client, first: PipelineRunBody): Promise<PipelineRunBody | null> {
  const { context } = session;
  const progress = new Progress(context);
  const shown = new Set<string>();
  let run = first;
  for (;;) {
    const current = showSteps(progress, run, shown);
    if (run.state !== 'InProgress') return run;
    if (current === 'train' && run.job !== null && context.stderr.isTTY === true)
      progress.write(stagesText(await client.get<TrainingJobBody>(jobPath(run.job))));
    await pause(context.clock, pollMs, context.interrupted);
    if (context.interrupted.aborted) {
      progress.done(`${run.name}: detached, it continues`);
      session.remark(`see it with penstock pipeline runs ${run.pipeline} ${run.number}`);
      return null;
    }
    run = await client.get<PipelineRunBody>(runPath(run.pipeline, run.number));
  }
}

/** Returns the running step. */
function showSteps(progress: Progress, { steps }: PipelineRunBody, shown: Set<string>): string | null {
  let current: string | null = null;
  for (const { step, state, note } of steps) {
    if (state === 'Waiting' || shown.has(`${step} end`)) continue;
    if (!shown.has(step)) {
      shown.add(step);
      if (state !== 'Skipped') progress.stage(step, 'begins');
    }
    if (state === 'InProgress') {
      current = step;
      continue;
    }
    shown.add(`${step} end`);
    if (state === 'Completed') progress.done(note ?? 'done');
    else if (state === 'Skipped') progress.remark(step, `skipped: ${note}`);
    else {
      progress.write(note ?? state);
      progress.fail();
    }
  }
  return current;
}

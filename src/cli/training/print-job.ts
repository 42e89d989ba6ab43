/** Shows a job of any kind: training, processing, tuning. */
import type { ProcessingJobBody, TrainingJobBody, TuningJobBody, TuningTrialBody } from '../../api/index.ts';
import { type Client, pathSegment } from '../client/client.ts';
import { ifFound } from '../client/if-found.ts';
import type { VerbSession } from '../verb.ts';
import { jobPath } from './follow-job.ts';
import { tuningPathOf } from './follow-tuning.ts';
import { describeJob, formatProcessing } from './format-job.ts';
import { describeTuningJob } from './format-tuning.ts';

/** False if there is none of this name. */
export async function printJob(session: VerbSession, client: Client, name: string): Promise<boolean> {
  const training = await ifFound(client.get<TrainingJobBody>(jobPath(name)));
  if (training !== null) {
    session.print(training, describeJob(training, session.style));
    return true;
  }
  const processing = await ifFound(client.get<ProcessingJobBody>(`/processing-jobs/${pathSegment(name)}`));
  if (processing !== null) {
    session.print(processing, formatProcessing(processing, session.style));
    return true;
  }
  const tuning = await ifFound(client.get<TuningJobBody>(tuningPathOf(name)));
  if (tuning === null) return false;
  await printTuning(session, client, tuning);
  return true;
}

/** With its trials. */
export async function printTuning(session: VerbSession, client: Client, job: TuningJobBody): Promise<void> {
  const { items: trials } = await client.get<{ items: readonly TuningTrialBody[] }>(`${tuningPathOf(job.name)}/trials`);
  session.print({ ...job, trials }, describeTuningJob(job, trials, session.style));
}

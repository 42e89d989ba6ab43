/** Follows a training job until it has ended. Ctrl-C detaches; a second one stops the job. */
import type { TrainingJobBody, TrainingLogBody, TrainingMetricBody } from '../../api/index.ts';
import { CliError, ServerError } from '../cli-error.ts';
import { Client, pathSegment } from '../client/client.ts';
import { pause } from '../client/pause.ts';
import { shellQuoted, shortened } from '../output/format.ts';
import { Progress } from '../output/progress.ts';
import type { VerbSession } from '../verb.ts';
import { objectiveText, stagesText } from './format-job.ts';

/** Polls often at first: a small job ends within seconds. */
const pollMs = (waitedMs: number): number => (waitedMs < 5000 ? 100 : 500);
/** After the first Ctrl-C, a second one within this time stops the job. */
const secondMs = 2000;
const lineMax = 80;

export function jobPath(name: string): string {
  return `/training-jobs/${pathSegment(name)}`;
}

function isJobOver({ status }: Pick<TrainingJobBody, 'status'>): boolean {
  return status !== 'InProgress' && status !== 'Stopping';
}

/** The job after its end; null if Ctrl-C detached. Throws `CliError` if the connection is lost. */
export async function followJob(session: VerbSession, client: Client, first: TrainingJobBody): Promise<TrainingJobBody | null> {
  const { context } = session;
  const progress = new Progress(context);
  const watched = new WatchedOutput(client, first.name);
  const startedMs = context.clock.nowMs();
  let now = first;
  progress.stage('train', `${now.name}: ${stagesText(now)}`);
  try {
    while (!isJobOver(now)) {
      await pause(context.clock, pollMs(context.clock.nowMs() - startedMs), context.interrupted);
      if (context.interrupted.aborted) return await detach(session, client, now, progress);
      now = await client.get<TrainingJobBody>(jobPath(now.name));
      if (context.stderr.isTTY === true && !isJobOver(now)) progress.write(lineOf(now, ...(await watched.read(now))));
    }
    const [values] = await watched.read(now);
    const text = lineOf(now, values, null);
    if (now.status === 'Completed') progress.done(text);
    else {
      progress.write(text);
      progress.fail();
    }
    return now;
  } catch (error) {
    if (context.interrupted.aborted) return detach(session, client, now, progress);
    progress.fail();
    if (!(error instanceof CliError) || error instanceof ServerError) throw error;
    const advice = `the job continues: follow it with penstock training logs -f ${shellQuoted(now.name)}`;
    throw new CliError(`${error.message}; ${advice}`, 1, { cause: error });
  }
}

function lineOf(job: TrainingJobBody, values: readonly TrainingMetricBody[], line: string | null): string {
  const parts = [stagesText(job), objectiveText(job, values), line === null ? '' : shortened(line.trim(), lineMax)];
  return `${job.name}: ${parts.filter((part) => part !== '').join(' · ')}`;
}

/** The progress of the script: its metrics, and the last line of its output. */
class WatchedOutput {
  readonly #client: Client;
  readonly #path: string;
  #after: string | null = null;
  #line: string | null = null;

  constructor(client: Client, name: string) {
    this.#client = client;
    this.#path = jobPath(name);
  }

  async read({ metric_definitions: definitions }: TrainingJobBody): Promise<readonly [readonly TrainingMetricBody[], string | null]> {
    const query = { limit: 10_000, ...(this.#after === null ? {} : { after: this.#after }) };
    const { items, next } = await this.#client.get<TrainingLogBody>(`${this.#path}/logs`, { query });
    this.#after = next ?? this.#after;
    this.#line = items.findLast(({ line }) => line.trim() !== '')?.line ?? this.#line;
    if (definitions.length === 0) return [[], this.#line];
    return [(await this.#client.get<{ items: readonly TrainingMetricBody[] }>(`${this.#path}/metrics`)).items, this.#line];
  }
}

async function detach(session: VerbSession, { url }: Client, { name }: TrainingJobBody, progress: Progress): Promise<null> {
  const { context } = session;
  const second = new AbortController();
  context.onSecondInterrupt?.(() => second.abort());
  progress.done(`${name}: detached, it continues`);
  session.remark(`follow it with penstock training logs -f ${shellQuoted(name)}; Ctrl-C again within 2 s stops it`);
  await pause(context.clock, secondMs, second.signal);
  if (!second.signal.aborted) return null;
  // The verb's own signal has aborted its client, so this call needs another one.
  const client = new Client(url, await session.keyFor(url), AbortSignal.timeout(10_000));
  await client.post<TrainingJobBody>(`${jobPath(name)}/stop`, { json: {} });
  session.remark(`stopping ${name}: files in /opt/ml/model are kept, and no version is registered`);
  return null;
}

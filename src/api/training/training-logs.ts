/** Route of the output of a training job, past and live. */
import { z } from 'zod';
import type { TrainingJob } from '../../training/index.ts';
import type { EventStream } from '../routing/event-stream.ts';
import { isoTime, switchParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import type { Streams } from '../routing/streams.ts';
import { type TrainingLogBody, trainingLogBody } from './training-bodies.ts';
import { trainingJobName } from './training-input.ts';

const linesPerPage = 1000;
const pollMs = 250;

const logQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(10_000).default(1000).describe('Maximum number of lines.'),
  after: z.string().max(256).optional().describe('The `next` of the previous page; without it the first lines.'),
  follow: switchParameter.describe(
    'All lines, also new ones, as Server-Sent Events until the job is over: each `data` is a line as below.',
  ),
});

type LogLine = TrainingLogBody['items'][number];

export function trainingLogRoute(services: Pick<ApiServices, 'training' | 'clock'>, streams: Streams): ApiRoute {
  const { training } = services;
  return apiRoute('GET /training-jobs/:job/logs', {
    summary: 'Read what a training job has printed',
    params: z.strictObject({ job: z.string().max(200) }),
    query: logQuery,
    answer: trainingLogBody,
    streams: ['application/json', 'text/event-stream'],
    handle: async ({ params, query: { limit, after, follow }, ...call }) => {
      const job = trainingJobName(params.job);
      if (!follow) {
        const { lines, next } = await training.output(job, { after: after ?? null, limit });
        return { items: lines.map(lineBodyOf), next };
      }
      await training.output(job, { after: after ?? null, limit: 1 }); // throws for an unknown job or position before the stream is open
      const stream = streams.open(call);
      // The job may be deleted meanwhile, or the database be away: the client continues with another request.
      void followOutput(services, job, stream, after ?? null)
        .catch(() => undefined)
        .finally(() => stream.end());
      return undefined;
    },
  });
}

function lineBodyOf({ atMs, text }: { readonly atMs: number; readonly text: string }): LogLine {
  return { at: isoTime(atMs), line: text };
}

/** Sends lines until the job is over and all of them are sent, or the client has gone. */
async function followOutput(
  { training, clock }: Pick<ApiServices, 'training' | 'clock'>,
  name: string,
  stream: EventStream,
  from: string | null,
): Promise<void> {
  let after = from;
  while (stream.isOpen) {
    // Read before the lines: what a job has printed before its end is then complete.
    const isOver = isEnded(await training.find(name));
    const page = await training.output(name, { after, limit: linesPerPage });
    for (const line of page.lines) stream.send({ data: JSON.stringify(lineBodyOf(line)) });
    after = page.next ?? after;
    if (page.lines.length > 0) {
      // A client that reads slowly would be disconnected for a full buffer.
      while (stream.isBehind && stream.isOpen) await pause(clock);
      continue;
    }
    if (isOver) return;
    await pause(clock);
  }
}

function isEnded(job: TrainingJob | null): boolean {
  return job === null || !['InProgress', 'Stopping'].includes(job.status);
}

function pause(clock: ApiServices['clock']): Promise<void> {
  return new Promise((resolve) => clock.after(pollMs, () => resolve()));
}

/** Routes of training jobs: code and data become a model, and a version of a group. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Caller } from '../../access/index.ts';
import { PlatformError } from '../../errors.ts';
import { checkTrainingSpec, jobKindOf, type TrainingJob, type TrainingSpec, trainingBucket, withSameData } from '../../training/index.ts';
import { eventBody, pageBody } from '../bodies.ts';
import { followEvents, lastEventId } from '../records/events.ts';
import { pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import type { Streams } from '../routing/streams.ts';
import {
  metricBodyOf,
  trainingJobBody,
  trainingJobBodyOf,
  trainingJobDetailBody,
  trainingMetricsBody,
  trainingStatuses,
} from './training-bodies.ts';
import { nameStem, trainingInput, trainingJobName, trainingSpecOf } from './training-input.ts';
import { trainingLogRoute } from './training-logs.ts';
import { ensureTrainingBucket, receiveTraining } from './training-upload.ts';

type Services = Pick<ApiServices, 'training' | 's3' | 'events' | 'clock'>;

const trainingPath = z.strictObject({ job: z.string().max(200) });
/** Jobs without a name of their own that were created at the same moment take the next number. */
const triesMax = 50;

export function trainingRoutes(services: Services, streams: Streams): ApiRoute[] {
  const { training, s3 } = services;
  return [
    apiRoute('GET /training-jobs', {
      summary: 'List the training jobs, newest first',
      query: pageQuery.extend({
        status: z.enum(trainingStatuses).optional(),
        name: z.string().max(63).optional().describe('Only jobs whose names contain this.'),
      }),
      answer: pageBody(trainingJobBody),
      handle: ({ query: { status, name, ...page } }) =>
        pageByOffset(page, (part) => listed(services, { status, name }, part), trainingJobBodyOf),
    }),
    apiRoute('POST /training-jobs', {
      summary: 'Train a model',
      description:
        'A form (`multipart/form-data`) with the parts `spec` (JSON, first), `source` (a tar or tar.gz archive of the code) and `data.CHANNEL` ' +
        '(a file, or a tar archive of files) for each channel whose data comes with the request; or the spec alone as `application/json`. ' +
        'Members of `spec`: `name`, `from` (another job, whose settings, code and data are used for all that is left out), `group`, ' +
        '`environment`, `entry` or `command`, `hyperparameters`, `channels` (`name`, `source`, `manifest`, `gzip`, `since_s`, `rows_max`, ' +
        '`content_type`), `output`, `packed`, `checkpoints`, `instance_type`, `volume_gb`, `max_runtime_s`, `max_wait_s`, `spot`, `retries`, ' +
        '`metrics` (`name`, `regex`), `environment_variables`, `isolated`, `priority`, `git`. Returns at once; poll `status`, or follow the events.',
      raw: ['multipart/form-data', 'application/json'],
      isUpload: true,
      answer: trainingJobBody,
      status: 202,
      handle: async ({ request, caller }) => trainingJobBodyOf(await startTraining(services, request, caller)),
    }),
    apiRoute('GET /training-jobs/:job', {
      summary: 'Get a training job',
      params: trainingPath,
      answer: trainingJobDetailBody,
      handle: async ({ params }) => {
        const job = await training.get(trainingJobName(params.job));
        return { ...trainingJobBodyOf(job), artifact_object: await artifactObject(s3, job) };
      },
    }),
    apiRoute('GET /training-jobs/:job/metrics', {
      summary: 'Get the values of the metrics of a training job',
      params: trainingPath,
      answer: trainingMetricsBody,
      handle: async ({ params }) => ({ items: (await training.metrics(trainingJobName(params.job))).map(metricBodyOf) }),
    }),
    trainingLogRoute(services, streams),
    eventsRoute(services, streams),
    apiRoute('POST /training-jobs/:job/stop', {
      summary: 'Stop a training job',
      description:
        'The script gets SIGTERM, and 120 s later SIGKILL. What it has written to /opt/ml/model is uploaded; no version is registered.',
      params: trainingPath,
      answer: trainingJobBody,
      status: 202,
      handle: async ({ params, caller }) => trainingJobBodyOf(await training.stop(trainingJobName(params.job), caller.keyId)),
    }),
    apiRoute('DELETE /training-jobs/:job', {
      summary: 'Delete a training job that is over, with its log and metrics; its results stay',
      params: trainingPath,
      handle: ({ params, caller }) => training.delete(trainingJobName(params.job), caller.keyId),
    }),
  ];
}

function eventsRoute({ training, events }: Services, streams: Streams): ApiRoute {
  return apiRoute('GET /training-jobs/:job/events', {
    summary: 'Stream the changes of status of a training job',
    description:
      'Server-Sent Events (`text/event-stream`): first all that are stored, then new ones. Each `data` is the JSON below, each `id` its ' +
      '`seq`: with Last-Event-ID the stream continues after that one.',
    params: trainingPath,
    answer: eventBody,
    streams: ['text/event-stream'],
    handle: async ({ params, ...call }) => {
      const { spec } = await training.get(trainingJobName(params.job));
      const stream = streams.open(call);
      const query = { subjects: [spec.name], kinds: ['training'] };
      void followEvents(events, stream, { since: lastEventId(call.request), recent: 500, query }).catch(() => stream.end());
      return undefined;
    },
  });
}

function listed(
  { training }: Services,
  { status, name }: { readonly status: TrainingJob['status'] | undefined; readonly name: string | undefined },
  page: { readonly limit: number; readonly offset: number },
): Promise<readonly TrainingJob[]> {
  return training.list({ status, ...(name === undefined ? {} : { nameContains: name }), sortBy: 'created_at', ...page });
}

async function startTraining(services: Services, request: IncomingMessage, caller: Caller): Promise<TrainingJob> {
  const { training, s3 } = services;
  const received = await receiveTraining(services, trainingInput, request, caller.keyId);
  try {
    const base = received.input.from === undefined ? null : withSameData(await training.get(trainingJobName(received.input.from)));
    const spec = trainingSpecOf(received.input, base, received);
    if (jobKindOf(spec.name) !== 'training')
      throw new PlatformError('invalid_request', `invalid training job name '${spec.name}': expected letters, digits and hyphens`);
    checkTrainingSpec(spec.name === '' ? { ...spec, name: nameStem(spec) } : spec); // before a bucket is created for it
    if (spec.output.bucket === trainingBucket) await ensureTrainingBucket(s3, caller.keyId);
    return spec.name === '' ? await createNumbered(services, spec, caller.keyId) : await training.create(spec, caller.keyId);
  } catch (error) {
    await received.discard();
    throw error;
  }
}

async function createNumbered({ training }: Services, spec: TrainingSpec, who: string): Promise<TrainingJob> {
  for (let tries = 1; ; tries++) {
    try {
      return await training.create({ ...spec, name: await training.nextName(nameStem(spec)) }, who);
    } catch (error) {
      const isTaken = error instanceof PlatformError && error.code === 'already_exists';
      if (!isTaken || tries === triesMax) throw error;
    }
  }
}

async function artifactObject(s3: ApiServices['s3'], { artifactUri }: TrainingJob): Promise<{ bytes: number; md5: string } | null> {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(artifactUri ?? '') ?? [];
  const object = key.endsWith('.tar.gz') ? await s3.head(bucket, key) : null;
  return object === null ? null : { bytes: object.bytes, md5: object.etag };
}

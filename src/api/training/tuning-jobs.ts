/** Routes of tuning jobs: training jobs with different hyperparameters. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Caller } from '../../access/index.ts';
import { PlatformError } from '../../errors.ts';
import { checkTuningSpec, type NewTuningSpec, type TuningJob, trainingBucket, tuningDefaults } from '../../training/index.ts';
import { pageBody } from '../bodies.ts';
import { pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { nameStem, trainingSpecOf } from './training-input.ts';
import { ensureTrainingBucket, receiveTraining } from './training-upload.ts';
import {
  parameterRangeOf,
  trialBodyOf,
  tuningInput,
  tuningJobBody,
  tuningJobBodyOf,
  tuningStatuses,
  tuningTrialsBody,
} from './tuning-bodies.ts';

type Services = Pick<ApiServices, 'training' | 'tuning' | 's3'>;

const tuningPath = z.strictObject({ tuning: z.string().max(200) });
/** Jobs without a name of their own that were created at the same moment take the next number. */
const triesMax = 50;

export function tuningRoutes(services: Services): ApiRoute[] {
  const { tuning } = services;
  return [
    apiRoute('GET /tuning-jobs', {
      summary: 'List the tuning jobs, newest first',
      query: pageQuery.extend({ status: z.enum(tuningStatuses).optional() }),
      answer: pageBody(tuningJobBody),
      handle: ({ query: { status, ...page } }) => pageByOffset(page, (part) => tuning.list({ status, ...part }), tuningJobBodyOf),
    }),
    apiRoute('POST /tuning-jobs', {
      summary: 'Tune the hyperparameters of a training job',
      description:
        'A form (`multipart/form-data`) with the parts `spec` (JSON, first), `source` and `data.CHANNEL` as for `POST /training-jobs`; or the ' +
        'spec alone as `application/json`. Members of `spec`: `name`, `strategy` (Bayesian, Random, Grid, Hyperband), `metric`, `goal` ' +
        '(Maximize, Minimize), `ranges` (`name`, `type`, `min`, `max`, `scaling`; or `values`), `jobs`, `parallel`, `max_runtime_s`, ' +
        '`stops_early`, `min_reports`, `max_reports`, `target`, `not_improving`, `seed`, and `training`, the spec of each training job.',
      raw: ['multipart/form-data', 'application/json'],
      isUpload: true,
      answer: tuningJobBody,
      status: 202,
      handle: async ({ request, caller }) => tuningJobBodyOf(await startTuning(services, request, caller)),
    }),
    apiRoute('GET /tuning-jobs/:tuning', {
      summary: 'Get a tuning job',
      params: tuningPath,
      answer: tuningJobBody,
      handle: async ({ params }) => tuningJobBodyOf(await tuning.get(params.tuning)),
    }),
    apiRoute('GET /tuning-jobs/:tuning/trials', {
      summary: 'Get the trials of a tuning job',
      params: tuningPath,
      answer: tuningTrialsBody,
      handle: async ({ params }) => ({ items: (await tuning.trials(params.tuning)).map(trialBodyOf) }),
    }),
    apiRoute('POST /tuning-jobs/:tuning/stop', {
      summary: 'Stop a tuning job and its training jobs',
      params: tuningPath,
      answer: tuningJobBody,
      status: 202,
      handle: async ({ params, caller }) => tuningJobBodyOf(await tuning.stop(params.tuning, caller.keyId)),
    }),
    apiRoute('DELETE /tuning-jobs/:tuning', {
      summary: 'Delete a tuning job that is over; its training jobs stay',
      params: tuningPath,
      handle: ({ params, caller }) => tuning.delete(params.tuning, caller.keyId),
    }),
  ];
}

async function startTuning(services: Services, request: IncomingMessage, caller: Caller): Promise<TuningJob> {
  const { training, s3 } = services;
  const received = await receiveTraining(services, tuningInput, request, caller.keyId);
  const { input } = received;
  try {
    const base = input.training.from === undefined ? null : (await training.get(input.training.from)).spec;
    const spec: NewTuningSpec = {
      ...tuningDefaults,
      name: input.name ?? '',
      strategy: input.strategy,
      goal: input.goal,
      metric: input.metric,
      ranges: input.ranges.map(parameterRangeOf),
      maxJobs: input.jobs,
      maxParallel: Math.min(input.parallel, input.jobs),
      maxRuntimeMs: input.max_runtime_s === null ? null : input.max_runtime_s * 1000,
      stopsEarly: input.stops_early,
      resources: { min: input.min_reports, max: input.max_reports },
      target: input.target,
      notImprovingMax: input.not_improving,
      seed: input.seed,
      training: trainingSpecOf({ ...input.training, name: '' }, base, received),
    };
    checkTuningSpec({ ...spec, name: spec.name === '' ? 'unnamed' : spec.name, seed: spec.seed ?? 0 }); // before a bucket is created for it
    if (spec.training.output.bucket === trainingBucket) await ensureTrainingBucket(s3, caller.keyId);
    return spec.name === '' ? await createNumbered(services, spec, caller.keyId) : await services.tuning.create(spec, caller.keyId);
  } catch (error) {
    await received.discard();
    throw error;
  }
}

async function createNumbered({ tuning }: Services, spec: NewTuningSpec, who: string): Promise<TuningJob> {
  for (let tries = 1; ; tries++) {
    try {
      return await tuning.create({ ...spec, name: await tuning.nextName(nameStem(spec.training)) }, who);
    } catch (error) {
      const isTaken = error instanceof PlatformError && error.code === 'already_exists';
      if (!isTaken || tries === triesMax) throw error;
    }
  }
}

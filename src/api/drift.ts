/** Routes of drift: baselines, reports, and labels that tell how good answers were. */
import { z } from 'zod';
import { invalid } from '../codecs/index.ts';
import { PlatformError } from '../errors.ts';
import { readBody } from '../http/index.ts';
import { type Baseline, driftWindowMs, type FeatureValues, featureRows, readLabels, someOf } from '../monitoring/index.ts';
import type { Route as ServingRoute } from '../serving/index.ts';
import { columnTitles } from './column-titles.ts';
import { bodyTypes, decodeBody } from './decode-body.ts';
import { type BaselineBody, baselineBody, type DriftBody, driftBody, labelsBody } from './drift-bodies.ts';
import { endpointPath, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const time = z.iso.datetime();
const labelBytesMax = 16 * 2 ** 20;
const labelLinesMax = 10_000;
const captured = z.strictObject({ from: time.optional(), to: time.optional(), sample: z.literal('registration').optional() });

export function driftRoutes(services: ApiServices): Route[] {
  const { deployments, drift, truth, audit, db } = services;
  const nameOf = (endpoint: string): string => deployments.get(endpoint).config.name;
  return [
    route('GET /endpoints/:endpoint/drift', {
      summary: 'Tell whether what comes still looks like the baseline, and how good the answers were',
      description: 'By a sample of the rows of the last hour. It is looked at every five minutes by itself, and now.',
      params: endpointPath,
      answer: driftBody,
      handle: async ({ params }) => driftBodyOf(nameOf(params.endpoint), services),
    }),
    route('POST /endpoints/:endpoint/baseline', {
      summary: 'Say what usually comes',
      description:
        'Rows in any form that `invoke` takes; or JSON {"from", "to"} for what was captured between two times; or {} for the rows of the last hour; or {"sample": "registration"} for what the model was registered with: rows of the catalogue, or the `SamplePayloadUrl` of its package.',
      params: endpointPath,
      query: z.strictObject({ label: z.string().optional().describe('A column of the CSV that is the answer, not an input.') }),
      raw: bodyTypes,
      answer: baselineBody,
      handle: async ({ params, query, request, response, caller }) => {
        const name = nameOf(params.endpoint);
        const body = await readBody(request, response, services.bodies);
        const { values, source, titles } = await baselineValues(services, name, request.headers['content-type'], body, query.label);
        const baseline = await drift.setBaseline(name, values, source, titles);
        const detail = { source, rows: baseline.rows, features: baseline.features.length };
        await audit.record(db, { who: caller.keyId, action: 'SetBaseline', target: name, outcome: 'ok', detail });
        return baselineBodyOf(baseline);
      },
    }),
    route('DELETE /endpoints/:endpoint/baseline', {
      summary: 'Look for drift no more',
      params: endpointPath,
      handle: async ({ params, caller }) => {
        const name = nameOf(params.endpoint);
        await drift.removeBaseline(name);
        await audit.record(db, { who: caller.keyId, action: 'DeleteBaseline', target: name, outcome: 'ok', detail: {} });
      },
    }),
    route('POST /endpoints/:endpoint/labels', {
      summary: 'Tell what was true, by inference id',
      description:
        'A line each: {"inference_id": "...", "label": 7}; a list of labels for a call of several rows. The id is what the client called the inference ' +
        '(the `id` of an Open Inference Protocol request, `X-Amzn-SageMaker-Inference-Id`, `X-Penstock-Inference-Id`), else the `x-request-id` of its answer.',
      params: endpointPath,
      raw: ['application/jsonlines', 'application/x-ndjson', 'application/json'],
      answer: labelsBody,
      handle: async ({ params, request, response }) => {
        const name = nameOf(params.endpoint);
        const text = (await readBody(request, response, { ...services.bodies, limitBytes: labelBytesMax })).toString('utf8');
        const { matched, unknown, misfit } = await truth.label(name, readLabels(text, labelLinesMax));
        return {
          matched,
          unknown: unknown.length,
          misfit: misfit.length,
          unknown_ids: [...someOf(unknown)],
          misfit_ids: [...someOf(misfit)],
        };
      },
    }),
  ];
}

interface BaselineValues {
  readonly values: FeatureValues;
  readonly source: string;
  readonly titles?: Readonly<Record<string, string>>;
}

async function baselineValues(
  services: ApiServices,
  endpoint: string,
  contentType: string | undefined,
  body: Buffer,
  label: string | undefined,
): Promise<BaselineValues> {
  const { drift, clock, capturedValues } = services;
  const span = spanOf(contentType, body);
  if (span?.sample !== undefined) return sampledValues(services, endpoint, span);
  if (span !== null) {
    if (span.from === undefined && span.to === undefined) {
      return { values: drift.values(endpoint), source: 'rows of the last hour' };
    }
    const toMs = span.to === undefined ? clock.wallMs() : Date.parse(span.to);
    const fromMs = span.from === undefined ? 0 : Date.parse(span.from);
    if (fromMs >= toMs) throw invalid(`expected from before to, got ${timeOf(fromMs)} and ${timeOf(toMs)}`);
    const values = await capturedValues(endpoint, fromMs, toMs);
    return { values, source: `captured calls from ${timeOf(fromMs)} to ${timeOf(toMs)}` };
  }
  const route = routeOf(services, endpoint);
  return {
    values: postedValues(route, contentType, body, label, redactedOf(services, endpoint)),
    source: 'rows that were posted',
    titles: columnTitles(route.signature, contentType, body, label),
  };
}

async function sampledValues(services: ApiServices, endpoint: string, { from, to }: z.output<typeof captured>): Promise<BaselineValues> {
  if (from !== undefined || to !== undefined) throw invalid('expected sample, or from and to, not both');
  const [variant] = services.deployments.get(endpoint).config.variants;
  if (variant === undefined) throw invalid(`endpoint ${endpoint} has no variant`);
  const version = await services.registry.version(variant.group, variant.version);
  const sample = await services.registrationSample(version);
  if (sample === null) {
    throw new PlatformError(
      'not_found',
      `${version.name} was registered without a sample: post rows, or give its package a SamplePayloadUrl in a bucket of this server`,
    );
  }
  const { contentType, body, label } = sample;
  const values = postedValues(routeOf(services, endpoint), contentType, body, label, redactedOf(services, endpoint));
  return { values, source: `the sample that ${version.name} was registered with` };
}

/** An empty body and `{}` are one. Null for rows. */
function spanOf(contentType: string | undefined, body: Buffer): z.output<typeof captured> | null {
  if (body.length === 0) return {};
  if (contentType !== undefined && !contentType.startsWith('application/json')) return null;
  if (body.length > 1000) return null;
  try {
    const parsed = captured.safeParse(JSON.parse(body.toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function routeOf({ serving }: ApiServices, endpoint: string): ServingRoute {
  const target = serving.route(endpoint);
  if (target.runtime === 'onnx') return target;
  throw new PlatformError('unsupported', `the model of ${endpoint} is a process: nobody knows the features of what it takes`);
}

function redactedOf({ deployments }: ApiServices, endpoint: string): readonly string[] {
  return deployments.get(endpoint).config.capture?.redact ?? [];
}

function postedValues(
  { signature }: ServingRoute,
  contentType: string | undefined,
  body: Buffer,
  label: string | undefined,
  redact: readonly string[],
): FeatureValues {
  const values = new Map<string, number[]>();
  for (const { inputs, rows } of decodeBody(signature, contentType, body, label)) {
    const features = featureRows(inputs, rows, new Set(redact));
    for (let row = 0; row < rows; row++) {
      for (const [i, value] of features.row(row).entries()) {
        const name = features.names[i] as string;
        const column = values.get(name);
        if (column === undefined) values.set(name, [value]);
        else column.push(value);
      }
    }
  }
  return values;
}

async function driftBodyOf(endpoint: string, { drift, truth }: ApiServices): Promise<DriftBody> {
  await drift.look(endpoint);
  const { baseline, rowsSeen, report, unknown } = drift.view(endpoint);
  const quality = await truth.quality(endpoint);
  const features = (report?.features ?? []).toSorted((a, b) => Number(b.hasDrifted) - Number(a.hasDrifted) || b.stability - a.stability);
  const silence =
    baseline === null
      ? `there is no baseline: post one, or \`penstock baseline ${endpoint}\``
      : `fewer than 50 rows came in the last hour: ${rowsSeen}`;
  return {
    endpoint,
    baseline: baseline === null ? null : baselineBodyOf(baseline),
    window_minutes: driftWindowMs / 60_000,
    rows_seen: rowsSeen,
    rows_sampled: report?.rows ?? 0,
    reason: report === null ? silence : null,
    drifted: report?.drifted ?? 0,
    features: features.map(({ name, stability, distance, chance, hasDrifted, baseline: before, now, missing }) => ({
      name,
      column: baseline?.titles?.[name] ?? null,
      psi: stability,
      ks: distance,
      p_value: chance,
      drifted: hasDrifted,
      baseline: before === null ? null : [...before],
      now: now === null ? null : [...now],
      missing,
    })),
    unknown_features: [...unknown],
    quality: {
      calls: quality.calls,
      labelled_calls: quality.labelledCalls,
      labelled_rows: quality.labelledRows,
      accuracy: quality.accuracy,
      mean_absolute_error: quality.meanAbsoluteError,
    },
  };
}

function baselineBodyOf({ features, source, rows, madeAtMs }: Baseline): BaselineBody {
  return { source, rows, features: features.map(({ name }) => name), made_at: timeOf(madeAtMs) };
}

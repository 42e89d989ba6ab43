/** Routes of drift: baselines, reports, and labels that measure the quality of predictions. */
import { z } from 'zod';
import { hasPermission } from '../../access/index.ts';
import { bodyTypes, csvHeader, decodeInThread, indexOfName, inPlaceBytesMax, invalidRequest } from '../../codecs/index.ts';
import {
  type Baseline,
  baselinesOf,
  driftWindowMs,
  type LabelInput,
  postedBaseline,
  type RowsBaseline,
  readLabels,
  readLabelsTask,
  someOf,
  toLabelMax,
} from '../../data-quality/index.ts';
import { PlatformError } from '../../errors.ts';
import { readRequestBody } from '../../http/index.ts';
import type { ServedRoute as ServingRoute } from '../../serving/index.ts';
import type { Signature } from '../../tensor.ts';
import { endpointPath, isoTime } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { type BaselineBody, baselineBody, type DriftBody, driftBody, labelsBody, toLabelBody } from './drift-bodies.ts';

/** What these routes need of the server. */
type Services = Pick<
  ApiServices,
  | 'audit'
  | 'bodies'
  | 'capturedValues'
  | 'clock'
  | 'db'
  | 'deployments'
  | 'drift'
  | 'registrationSample'
  | 'registry'
  | 'serving'
  | 'threads'
  | 'truth'
>;

const time = z.iso.datetime();
const labelBytesMax = 16 * 2 ** 20;
const labelLinesMax = 10_000;
const captured = z.strictObject({ from: time.optional(), to: time.optional(), sample: z.literal('registration').optional() });

export function driftRoutes(services: Services): ApiRoute[] {
  const { deployments, drift, truth, audit, db } = services;
  const nameOf = (endpoint: string): string => deployments.get(endpoint).config.name;
  return [
    apiRoute('GET /endpoints/:endpoint/drift', {
      summary: 'Get the drift report of an endpoint: inputs compared with the baseline, and quality by labels',
      description: 'Computed from a sample of the rows of the last hour, on each call and every five minutes.',
      params: endpointPath,
      answer: driftBody,
      handle: async ({ params }) => driftBodyOf(nameOf(params.endpoint), services),
    }),
    apiRoute('POST /endpoints/:endpoint/baseline', {
      summary: 'Set the baseline of an endpoint',
      description:
        'The body has rows in any form that `invoke` accepts, or JSON: {"from", "to"} for the calls captured between two times; {} for the rows of the last hour; {"sample": "registration"} for the sample the model was registered with (rows of the catalogue, or the `SamplePayloadUrl` of its package).',
      params: endpointPath,
      query: z.strictObject({ label: z.string().optional().describe('A CSV column that is the label, not an input.') }),
      raw: bodyTypes,
      answer: baselineBody,
      handle: async ({ params, query, request, response, caller }) => {
        const name = nameOf(params.endpoint);
        const body = await readRequestBody(request, response, services.bodies);
        const posted = { contentType: request.headers['content-type'], body, label: query.label, isWanted: () => !response.destroyed };
        const { rows, source, titles } = await baselineRows(services, name, posted);
        const baseline = await drift.setBaseline(name, rows, source, titles);
        const detail = { source, rows: baseline.rows, features: baseline.features.length };
        await audit.record(db, { who: caller.keyId, action: 'SetBaseline', target: name, outcome: 'ok', detail });
        return baselineBodyOf(baseline);
      },
    }),
    apiRoute('DELETE /endpoints/:endpoint/baseline', {
      summary: 'Delete the baseline of an endpoint',
      params: endpointPath,
      handle: async ({ params, caller }) => {
        const name = nameOf(params.endpoint);
        await drift.removeBaseline(name);
        await audit.record(db, { who: caller.keyId, action: 'DeleteBaseline', target: name, outcome: 'ok', detail: {} });
      },
    }),
    apiRoute('POST /endpoints/:endpoint/labels', {
      summary: 'Post true labels by inference id',
      description:
        'One JSON object per line: {"inference_id": "...", "label": 7}, with a list of labels for a call of several rows. The id is the one chosen by the client ' +
        '(the `id` of an Open Inference Protocol request, `X-Amzn-SageMaker-Inference-Id`, `X-Penstock-Inference-Id`), otherwise the `x-request-id` of the response.',
      params: endpointPath,
      raw: ['application/jsonlines', 'application/x-ndjson', 'application/json'],
      answer: labelsBody,
      handle: async ({ params, request, response, caller }) => {
        const name = nameOf(params.endpoint);
        const body = await readRequestBody(request, response, { ...services.bodies, limitBytes: labelBytesMax });
        const labels = await labelsOf(services, body, () => !response.destroyed);
        const { matched, unknown, mismatched } = await truth.label(name, labels, hasPermission(caller.role, 'deploy'));
        return {
          matched,
          unknown: unknown.length,
          mismatched: mismatched.length,
          unknown_ids: [...someOf(unknown)],
          mismatched_ids: [...someOf(mismatched)],
        };
      },
    }),
    toLabelRoute(nameOf, truth),
  ];
}

function toLabelRoute(nameOf: (endpoint: string) => string, truth: Services['truth']): ApiRoute {
  return apiRoute('GET /endpoints/:endpoint/to-label', {
    summary: 'Get the calls that are worth a label',
    description:
      'Calls of the last 7 days without labels: first those on which two plans of a selection disagree, by their share of rows, then those whose least sure row has the smallest score. ' +
      'Their inputs are in the capture files, under the same inference id.',
    params: endpointPath,
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(toLabelMax).default(100) }),
    answer: toLabelBody,
    handle: async ({ params, query }) => {
      const calls = await truth.toLabel(nameOf(params.endpoint), query.limit);
      return {
        items: calls.map(({ inferenceId, variant, atMs, plan, values, other, rows, scoreMin }) => ({
          inference_id: inferenceId,
          variant,
          at: isoTime(atMs),
          plan,
          answers: [...values],
          other_plan: other?.plan ?? null,
          other_answers: other === null ? null : [...other.values],
          rows: [...rows],
          score_min: scoreMin,
        })),
      };
    },
  });
}

async function labelsOf({ threads }: Pick<ApiServices, 'threads'>, body: Buffer, isWanted: () => boolean): Promise<readonly LabelInput[]> {
  if (body.length <= inPlaceBytesMax) return readLabels(body.toString('utf8'), labelLinesMax);
  return (await decodeInThread(threads, readLabelsTask, { body, linesMax: labelLinesMax }, isWanted)).decoded;
}

interface PostedBody {
  readonly contentType: string | undefined;
  readonly body: Buffer;
  readonly label: string | undefined;
  readonly isWanted: () => boolean;
}

interface BaselineRows {
  readonly rows: RowsBaseline;
  readonly source: string;
  readonly titles?: Readonly<Record<string, string>>;
}

async function baselineRows(services: Services, endpoint: string, posted: PostedBody): Promise<BaselineRows> {
  const { drift, clock, capturedValues } = services;
  const { contentType, body, label } = posted;
  const span = spanOf(contentType, body);
  if (span?.sample !== undefined) return sampledRows(services, endpoint, span);
  if (span !== null) {
    if (span.from === undefined && span.to === undefined) {
      return { rows: await baselinesOf(await drift.values(endpoint)), source: 'rows of the last hour' };
    }
    const toMs = span.to === undefined ? clock.wallMs() : Date.parse(span.to);
    const fromMs = span.from === undefined ? 0 : Date.parse(span.from);
    if (fromMs >= toMs) throw invalidRequest(`expected from before to, got ${isoTime(fromMs)} and ${isoTime(toMs)}`);
    const rows = await baselinesOf(await capturedValues(endpoint, fromMs, toMs));
    return { rows, source: `captured calls from ${isoTime(fromMs)} to ${isoTime(toMs)}` };
  }
  const { signature } = routeOf(services, endpoint);
  // Read first: decoding transfers the body to a thread.
  const titles = columnTitles(signature, contentType, body, label);
  const rows = await rowsOf(services, endpoint, posted);
  return { rows, source: 'rows that were posted', titles };
}

async function sampledRows(services: Services, endpoint: string, { from, to }: z.output<typeof captured>): Promise<BaselineRows> {
  if (from !== undefined || to !== undefined) throw invalidRequest('expected sample, or from and to, not both');
  const [variant] = services.deployments.get(endpoint).config.variants;
  if (variant === undefined) throw invalidRequest(`endpoint ${endpoint} has no variant`);
  const version = await services.registry.version(variant.group, variant.version);
  const sample = await services.registrationSample(version);
  if (sample === null) {
    throw new PlatformError(
      'not_found',
      `${version.name} was registered without a sample: post rows, or set SamplePayloadUrl of its package to an object of this server`,
    );
  }
  const { contentType, body, label } = sample;
  const rows = await rowsOf(services, endpoint, { contentType, body, label, isWanted: () => true });
  return { rows, source: `the sample that ${version.name} was registered with` };
}

/** An empty body equals `{}`. Null if the body has rows. */
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

function routeOf({ serving }: Pick<ApiServices, 'serving'>, endpoint: string): ServingRoute {
  const target = serving.route(endpoint);
  if (target.payload === 'tensors') return target;
  throw new PlatformError(
    'unsupported',
    `endpoint ${endpoint} has a process model, whose input features are unknown: drift needs an ONNX model`,
  );
}

function redactedOf({ deployments }: Pick<ApiServices, 'deployments'>, endpoint: string): readonly string[] {
  return deployments.get(endpoint).config.capture?.redact ?? [];
}

function rowsOf(services: Services, endpoint: string, { isWanted, ...posted }: PostedBody): Promise<RowsBaseline> {
  const { signature } = routeOf(services, endpoint);
  return postedBaseline(services.threads, { ...posted, signature, redact: redactedOf(services, endpoint) }, isWanted);
}

async function driftBodyOf(endpoint: string, { drift, truth }: Pick<ApiServices, 'drift' | 'truth'>): Promise<DriftBody> {
  const { baseline, rowsSeen, report, unknown } = await drift.view(endpoint);
  const quality = await truth.quality(endpoint);
  const features = (report?.features ?? []).toSorted((a, b) => Number(b.hasDrifted) - Number(a.hasDrifted) || b.stability - a.stability);
  const reason =
    baseline === null
      ? `there is no baseline: post one, or run \`penstock baseline ${endpoint}\``
      : `too few rows in the last hour: expected at least 50, got ${rowsSeen}`;
  return {
    endpoint,
    baseline: baseline === null ? null : baselineBodyOf(baseline),
    window_minutes: driftWindowMs / 60_000,
    rows_seen: rowsSeen,
    rows_sampled: report?.rows ?? 0,
    reason: report === null ? reason : null,
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
  return { source, rows, features: features.map(({ name }) => name), made_at: isoTime(madeAtMs) };
}

/** A longer first line is not taken as a header. */
const headerBytesMax = 256 * 1024;

/** Title by feature, for example `x[0]` to `mean radius`. Empty without a header, or if the model has several inputs (the header then names those). */
export function columnTitles(
  signature: Signature,
  contentType: string | undefined,
  body: Buffer,
  label: string | undefined,
): Readonly<Record<string, string>> {
  const [input, ...others] = signature.inputs;
  if (input === undefined || others.length > 0 || contentType?.split(';', 1)[0]?.trim().toLowerCase() !== 'text/csv') return {};
  const head = body.subarray(0, headerBytesMax);
  const end = head.indexOf('\n');
  if (end === -1 && head.length < body.length) return {};
  const header = csvHeader(signature, head.toString('utf8', 0, end === -1 ? head.length : end), label);
  if (header === null) return {};
  const labelIndex = label === undefined ? -1 : indexOfName(label, header);
  const columns = header.filter((_, index) => index !== labelIndex);
  return Object.fromEntries(columns.map((title, index) => [`${input.name}[${index}]`, title]));
}

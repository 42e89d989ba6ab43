/** Routes of evaluations: labelled sets, models that are judged by them, and their answers row by row. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { PlatformError } from '../../errors.ts';
import {
  candidatesMax,
  evaluationMetrics,
  type SetAnswers,
  type SetFormat,
  setBytesMax,
  setRowsMax,
  setRowsMin,
} from '../../evaluation/index.ts';
import { pageBody } from '../bodies.ts';
import { pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { evaluationBody, evaluationBodyOf, evaluationSetBody, evaluationSetBodyOf } from './evaluation-bodies.ts';
import { uploadOf } from './groups.ts';

const setPath = z.strictObject({ set: z.string().max(200) });
const evaluationPath = z.strictObject({ evaluation: z.string().max(200) });
const formats: Readonly<Record<string, SetFormat>> = { 'text/csv': 'csv', 'application/jsonlines': 'jsonl' };

export function evaluationRoutes({ evaluations }: Pick<ApiServices, 'evaluations'>): ApiRoute[] {
  return [
    apiRoute('GET /evaluations', {
      summary: 'List the evaluations, newest first',
      query: pageQuery,
      answer: pageBody(evaluationBody),
      handle: ({ query }) => pageByOffset(query, (page) => evaluations.list(page), evaluationBodyOf),
    }),
    apiRoute('POST /evaluations', {
      summary: 'Evaluate models on a labelled set',
      description:
        'Returns at once; poll `state` for completion. Each model answers the set as a batch transform on workers of its own, which ' +
        'continues after a restart of the server. A model that has answered the set before is not run again.',
      body: z.strictObject({
        set: z.string().max(200).describe('Name of an evaluation set.'),
        models: z.array(z.string().max(200)).min(1).max(candidatesMax).describe('`digits/3`, or `digits` for the latest approved version.'),
        skip_bad_labels: z
          .boolean()
          .default(false)
          .describe('Labels that a model cannot answer count as errors; otherwise the model is not evaluated.'),
      }),
      answer: evaluationBody,
      status: 202,
      handle: async ({ body, caller }) =>
        evaluationBodyOf(
          await evaluations.create({ set: body.set, models: body.models, skipsBadLabels: body.skip_bad_labels }, caller.keyId),
        ),
    }),
    apiRoute('GET /evaluations/:evaluation', {
      summary: 'Get an evaluation: its progress, and what the models are worth',
      params: evaluationPath,
      answer: evaluationBody,
      handle: async ({ params }) => evaluationBodyOf(await evaluations.get(params.evaluation)),
    }),
    apiRoute('GET /evaluations/:evaluation/rows', {
      summary: 'Get the answers of an evaluation row by row, as CSV',
      description: 'Columns: row, label, and by model its prediction and its unsureness (1 minus the largest score).',
      params: evaluationPath,
      streams: ['text/csv'],
      handle: async ({ params, response }) => {
        const answers = await evaluations.answersOf(params.evaluation);
        response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8' });
        await pipeline(Readable.from(csvOf(answers)), response);
      },
    }),
    apiRoute('POST /evaluations/:evaluation/stop', {
      summary: 'Stop an evaluation; models that have completed stay evaluated',
      params: evaluationPath,
      answer: evaluationBody,
      handle: async ({ params, caller }) => evaluationBodyOf(await evaluations.stop(params.evaluation, caller.keyId)),
    }),
  ];
}

/** Its descriptions are written at each start: with `toLocaleString`, which loads all of ICU, that takes 13 ms. */
export function evaluationSetRoutes({ evaluations }: Pick<ApiServices, 'evaluations'>): ApiRoute[] {
  const { sets } = evaluations;
  return [
    apiRoute('GET /evaluation-sets', {
      summary: 'List the evaluation sets, newest first',
      query: pageQuery,
      answer: pageBody(evaluationSetBody),
      handle: ({ query }) => pageByOffset(query, (page) => sets.list(page), evaluationSetBodyOf),
    }),
    apiRoute('GET /evaluation-sets/:set', {
      summary: 'Describe an evaluation set',
      params: setPath,
      answer: evaluationSetBody,
      handle: async ({ params }) => evaluationSetBodyOf(await sets.get(params.set)),
    }),
    apiRoute('PUT /evaluation-sets/:set', {
      summary: 'Upload an evaluation set',
      description:
        `CSV with a header, or JSON lines, with ${setRowsMin} to ${setRowsMax / 1000},000 rows and at most ` +
        `${setBytesMax / 2 ** 20} MiB. A set never changes: the same file again is accepted, another one under the same name is rejected.`,
      params: setPath,
      query: z.strictObject({
        label: z.string().min(1).max(256).describe('Column of the CSV or member of each JSON object with the label.'),
        metric: z.enum(evaluationMetrics).default('accuracy').describe('accuracy: labels are classes; rmse, mae: labels are values.'),
      }),
      raw: Object.keys(formats),
      isUpload: true,
      answer: evaluationSetBody,
      handle: async ({ params, query, caller, request }) => {
        if (request.headers['content-encoding'] !== undefined)
          throw new PlatformError('unsupported', 'content-encoding is not supported for evaluation sets: send the file unencoded');
        const format = formatOf(request.headers['content-type'] ?? '');
        return evaluationSetBodyOf(await sets.put({ name: params.set, format, ...query, source: uploadOf(request) }, caller.keyId));
      },
    }),
    apiRoute('DELETE /evaluation-sets/:set', {
      summary: 'Delete an evaluation set, with its evaluations and their figures on model cards',
      params: setPath,
      handle: ({ params, caller }) => sets.remove(params.set, caller.keyId),
    }),
  ];
}

function formatOf(contentType: string): SetFormat {
  const type = (contentType.split(';')[0] as string).trim().toLowerCase();
  const format = formats[type];
  if (format !== undefined) return format;
  throw new PlatformError('unsupported', `unsupported content type '${type.slice(0, 60)}': expected ${Object.keys(formats).join(' or ')}`);
}

const rowsPerPiece = 1000;

function* csvOf({ set, labels, models }: SetAnswers): Generator<string> {
  const names = models.flatMap(({ name }) => [`${name}.prediction`, `${name}.unsureness`]);
  yield `row,label,${names.join(',')}\n`;
  for (let from = 0; from < set.rows; from += rowsPerPiece) {
    let text = '';
    for (let row = from; row < Math.min(from + rowsPerPiece, set.rows); row++) {
      const label = set.classes === null ? String(labels[row]) : cell(set.classes[labels[row] as number] ?? '');
      text += `${row + 1},${label}`;
      for (const { predictions, values, unsureness, stored } of models) {
        const answer = predictions === null ? numberCell(values?.[row]) : cell(stored.classes?.[predictions[row] as number] ?? '');
        text += `,${answer},${numberCell(unsureness[row])}`;
      }
      text += '\n';
    }
    yield text;
  }
}

/** Empty if there is none. */
function numberCell(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '' : String(value);
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

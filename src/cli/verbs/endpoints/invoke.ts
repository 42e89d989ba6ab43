/** `penstock invoke`: sends rows and prints predictions. */
import type { Command } from 'commander';
import { messageOf } from '../../../errors.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { pathSegment } from '../../client/client.ts';
import { readRows } from '../../models/rows-file.ts';
import { formatScore, labelsIn, type PredictionScore, predictionScore } from '../../output/accuracy.ts';
import { formatMsText } from '../../output/format.ts';
import { fields } from '../../output/table.ts';
import { type CommonOptions, verb } from '../../verb.ts';

interface InvokeOptions extends CommonOptions {
  readonly data?: string;
  readonly file?: string;
  readonly type?: string;
  readonly label?: string;
  readonly timings: boolean;
}

interface Predictions {
  readonly predictions: readonly unknown[];
  readonly model_version: string;
  readonly timings?: {
    readonly queue_ms: number;
    readonly compute_ms: number;
    readonly total_ms: number;
    readonly batch_rows: number;
    readonly close_reason: string;
    readonly parts: number;
  };
}

export function addInvoke(program: Command, context: CliContext): void {
  verb(program, context, 'invoke <endpoint>', 'send rows to an endpoint and print its predictions, one per line')
    .with((command) =>
      command
        .option('-d, --data <json>', `'[[5.1, 3.5, 1.4, 0.2]]', or a whole body with "instances" or "inputs"`)
        .option('-f, --file <file>', 'JSON, JSON lines, text, CSV or npy, by its extension; - reads from stdin')
        .option('--type <content-type>', 'content type of the data or the file (default: JSON, or by extension)')
        .option('--label <column>', 'a CSV column that holds the label, not an input; prints the accuracy')
        .option('--timings', 'also print how long each stage took', false),
    )
    .runs(async (session, options: InvokeOptions, endpoint: string) => {
      const { body, contentType } = await bodyOf(options, session.context.stdin);
      const text = await (await session.client()).text('POST', `/endpoints/${pathSegment(endpoint)}/invoke`, {
        query: { label: options.label, timings: options.timings || undefined },
        body,
        contentType,
      });
      const score = options.label === undefined ? null : scoreIn(text, Buffer.from(body).toString(), options.label);
      const { stdout } = session.context;
      if (session.wantsJson) stdout.write(`${score === null ? text : withScore(text, score)}\n`);
      else stdout.write(answerText(text));
      if (score !== null && options.label !== undefined) session.remark(formatScore(score, options.label));
      return 0;
    });
}

function predictionsIn(text: string): Predictions | null {
  try {
    const answer = parseExactJson(text) as Partial<Predictions> | null;
    return Array.isArray(answer?.predictions) ? (answer as Predictions) : null;
  } catch {
    return null;
  }
}

async function bodyOf(options: InvokeOptions, stdin: CliContext['stdin']): Promise<{ body: Uint8Array; contentType: string }> {
  const { data, file } = options;
  if ((data === undefined) === (file === undefined))
    throw new CliError('invalid rows: expected --data JSON or --file FILE, and not both', 2);
  if (data !== undefined) {
    if (options.type === undefined) checkJson(data);
    const text = data.trimStart().startsWith('[') ? `{"instances": ${data}}` : data;
    return { body: Buffer.from(text), contentType: options.type ?? 'application/json' };
  }
  return readRows(file as string, options.type, stdin);
}

/** A function that takes texts is called with text. */
function checkJson(data: string): void {
  try {
    JSON.parse(data.replaceAll(/-?\b(?:NaN|Infinity)\b/g, '0')); // the server decides on these
  } catch (error) {
    const advice = 'Quote it for the shell, or send a text as it is with --type text/plain';
    throw new CliError(`invalid --data: expected JSON, got '${data.slice(0, 60)}' (${messageOf(error)}). ${advice}`, 2);
  }
}

/** Null if the response or the rows are not what a score needs. */
function scoreIn(text: string, csv: string, column: string): PredictionScore | null {
  const answer = predictionsIn(text);
  const labels = labelsIn(csv, column);
  return answer === null || labels === null ? null : predictionScore(answer.predictions, labels);
}

/** Added to the text: parsing the response would round its numbers. */
function withScore(text: string, { kind, ...score }: PredictionScore): string {
  return `${text.trimEnd().slice(0, -1)},${JSON.stringify({ [kind]: score }).slice(1)}`;
}

/** Formats predictions. A process model may answer in any format, which is printed unchanged. */
function answerText(text: string): string {
  const answer = predictionsIn(text);
  if (answer === null) return text.endsWith('\n') ? text : `${text}\n`;
  const { predictions, timings, model_version: version } = answer;
  const lines = predictions.map((prediction) => `${JSON.stringify(prediction)}\n`).join('');
  if (timings === undefined) return lines;
  const { queue_ms: queue, compute_ms: compute, total_ms: total, batch_rows: rows, close_reason: reason, parts } = timings;
  return `${lines}\n${fields([
    ['model version', version],
    ['total', formatMsText(total)],
    ['parts', parts > 1 ? `${parts}, because the rows fill more than one batch; times of the slowest:` : null],
    ['queue', formatMsText(queue)],
    ['compute', formatMsText(compute)],
    ['batch', `${rows} ${rows === 1 ? 'row' : 'rows'}, dispatched because: ${reason}`],
  ])}`;
}

/** JSON that preserves integers beyond 2^53 when it is parsed and serialized again. */

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

// Node 24 has both, but TypeScript's library declares neither yet (https://github.com/tc39/proposal-json-parse-with-source).
const parse = JSON.parse as (text: string, reviver: Reviver) => unknown;
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/** Integers beyond 2^53 become raw JSON, which `JSON.stringify` writes unchanged. */
export function parseExactJson(text: string): unknown {
  return parse(text, (_key, value, { source }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source) ? rawJSON(source) : value,
  );
}

/** `penstock invoke`: rows in, predictions out. */
import type { Command } from 'commander';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { parseExact } from '../exact-json.ts';
import { Failure } from '../failure.ts';
import { readRows } from '../rows-file.ts';
import { fields } from '../table.ts';
import { type CommonOptions, verb } from '../verb.ts';
import { msText } from '../words.ts';

interface InvokeOptions extends CommonOptions {
  readonly data?: string;
  readonly file?: string;
  readonly type?: string;
  readonly label?: string;
  readonly timings: boolean;
}

interface Answer {
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

export function addInvoke(program: Command, doors: Doors): void {
  verb(program, doors, 'invoke <endpoint>', 'send rows to an endpoint and print its predictions, one a line')
    .with((command) =>
      command
        .option('--data <json>', `'[[5.1, 3.5, 1.4, 0.2]]', or a whole body with "instances" or "inputs"`)
        .option('--file <file>', 'JSON, CSV or npy, by its extension; - reads from stdin')
        .option('--type <content-type>', 'what the file is, where its extension does not say')
        .option('--label <column>', 'a column of the CSV that is the answer, not an input')
        .option('--timings', 'also say how long each stage took', false),
    )
    .runs(async (session, options: InvokeOptions, endpoint: string) => {
      const { body, contentType } = await bodyOf(options, session.doors.stdin);
      const text = await (await session.client()).text('POST', `/endpoints/${part(endpoint)}/invoke`, {
        query: { label: options.label, timings: options.timings || undefined },
        body,
        contentType,
      });
      if (session.wantsJson) session.doors.stdout.write(`${text}\n`);
      else session.doors.stdout.write(answerText(text));
      return 0;
    });
}

function predictionsIn(text: string): Answer | null {
  try {
    const answer = parseExact(text) as Partial<Answer> | null;
    return Array.isArray(answer?.predictions) ? (answer as Answer) : null;
  } catch {
    return null;
  }
}

async function bodyOf(options: InvokeOptions, stdin: Doors['stdin']): Promise<{ body: Uint8Array; contentType: string }> {
  const { data, file } = options;
  if ((data === undefined) === (file === undefined)) throw new Failure('give the rows with either --data JSON or --file FILE', 2);
  if (data !== undefined) {
    const text = data.trimStart().startsWith('[') ? `{"instances": ${data}}` : data;
    return { body: Buffer.from(text), contentType: options.type ?? 'application/json' };
  }
  return readRows(file as string, options.type, stdin);
}

/** A model that is a process may answer anything: that is printed as it is. */
function answerText(text: string): string {
  const answer = predictionsIn(text);
  if (answer === null) return text.endsWith('\n') ? text : `${text}\n`;
  const { predictions, timings, model_version: version } = answer;
  const lines = predictions.map((prediction) => `${JSON.stringify(prediction)}\n`).join('');
  if (timings === undefined) return lines;
  const { queue_ms: queue, compute_ms: compute, total_ms: total, batch_rows: rows, close_reason: reason, parts } = timings;
  return `${lines}\n${fields([
    ['model version', version],
    ['total', msText(total)],
    ['parts', parts > 1 ? `${parts}, since the rows fill more than one batch; the slowest took:` : null],
    ['queue', msText(queue)],
    ['compute', msText(compute)],
    ['batch', `${rows} ${rows === 1 ? 'row' : 'rows'}, left because: ${reason}`],
  ])}`;
}

/** `penstock async submit | status | list | output | retry | cancel`: asynchronous requests. */
import { openAsBlob } from 'node:fs';
import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import type { AsyncBody, PageBody } from '../../../api/index.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type ClientQuery, pathSegment } from '../../client/client.ts';
import { timeText, utcText } from '../../output/format.ts';
import { fields, table } from '../../output/table.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb, verbGroup, wholeNumber } from '../../verb.ts';

interface SubmitOptions extends CommonOptions {
  readonly data?: string;
  readonly file?: string;
  readonly input?: string;
  readonly result?: string;
  readonly type?: string;
  readonly accept?: string;
  readonly inferenceId?: string;
  /** Milliseconds, like `ttl`. */
  readonly timeout?: number;
  readonly ttl?: number;
  readonly notify?: string;
}

interface ListOptions extends CommonOptions {
  readonly endpoint?: string;
  readonly state?: string;
  readonly limit: number;
}

const limitMost = 500;

const states = ['queued', 'succeeded', 'failed', 'expired', 'cancelled'];
const typeOfExtension: Readonly<Record<string, string>> = { '.json': 'application/json', '.csv': 'text/csv', '.npy': 'application/x-npy' };

export function addAsync(program: Command, context: CliContext): void {
  const all = verbGroup(program, 'async', 'submit and manage asynchronous requests');
  addSubmit(all, context);
  verb(all, context, 'status <id>', 'show the state of a request').runs(async (session, _options, id: string) => {
    return printed(session, await (await session.client()).get<AsyncBody>(`/async/${pathSegment(id)}`));
  });
  addList(all, context);
  verb(all, context, 'output <id>', 'print the result of a request').runs(async (session, _options, id: string) => {
    const text = await (await session.client()).text('GET', `/async/${pathSegment(id)}/output`, {});
    session.context.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    return 0;
  });
  for (const [name, summary] of [
    ['retry', 'queue a failed or expired request again'],
    ['cancel', 'cancel a queued request'],
  ] as const) {
    verb(all, context, `${name} <id>`, summary).runs(async (session, _options, id: string) => {
      return printed(session, await (await session.client()).post<AsyncBody>(`/async/${pathSegment(id)}/${name}`));
    });
  }
}

function addSubmit(all: Command, context: CliContext): void {
  verb(all, context, 'submit <endpoint>', 'submit an asynchronous request and print its id')
    .with((command) =>
      command
        .option('--data <json>', `'[[5.1, 3.5, 1.4, 0.2]]', or a whole body with "instances" or "inputs"`)
        .option('--file <file>', 'a file of any size')
        .option('--input <uri>', "s3://BUCKET/KEY, an object in the server's object store")
        .option('--result <uri>', 's3://BUCKET/KEY for the result (default: a key in the bucket penstock-async)')
        .option('--type <content-type>', 'content type of the body (default: by file extension)')
        .option('--accept <content-type>', 'content type of the result')
        .option('--inference-id <id>', 'your own id for the request')
        .option('--timeout <duration>', 'longest run time (default: 15m)', parsedBy(parseDurationMs))
        .option('--ttl <duration>', 'longest time in the queue (default: 6h)', parsedBy(parseDurationMs))
        .option('--notify <url>', 'URL to notify of the outcome; signed if the server has a PENSTOCK_WEBHOOK_SECRET'),
    )
    .runs(async (session, options: SubmitOptions, endpoint: string) => {
      const { input, result, inferenceId, timeout, ttl, notify, accept } = options;
      const query: ClientQuery = { input, output: result, inference_id: inferenceId, timeout_ms: timeout, ttl_ms: ttl, notify };
      const sent = await bodyOf(options);
      const headers = accept === undefined ? {} : { accept };
      const call = { query, headers, ...sent };
      const request = await (await session.client()).post<AsyncBody>(`/endpoints/${pathSegment(endpoint)}/async`, call);
      session.print(request, `${request.id}\n`);
      session.remark(`accepted: check it with \`penstock async status ${request.id}\`; the result will be at ${request.output}`);
      return 0;
    });
}

function addList(all: Command, context: CliContext): void {
  verb(all, context, 'list', 'list requests, the latest first')
    .with((command) =>
      command
        .option('--endpoint <name>', 'only requests to this endpoint')
        .addOption(new Option('--state <state>', 'only requests in this state').choices(states))
        .option('-n, --limit <number>', 'maximum number to show', wholeNumber(1, limitMost), 50),
    )
    .runs(async (session, { endpoint, state, limit }: ListOptions) => {
      const { items, next } = await (await session.client()).get<PageBody<AsyncBody>>('/async', { query: { endpoint, state, limit } });
      session.print(items, items.length === 0 ? 'no matching requests\n' : listText(items));
      if (next !== null)
        session.remark(
          limit < limitMost
            ? `showing the latest ${items.length}; use -n for more, or filter with --endpoint and --state`
            : `showing the latest ${items.length}; filter with --endpoint and --state to see others`,
        );
      return 0;
    });
}

async function bodyOf({ data, file, input, type }: SubmitOptions) {
  const provided = Object.entries({ '--data': data, '--file': file, '--input': input }).filter(([, value]) => value !== undefined);
  if (provided.length !== 1) {
    const names = provided.map(([name]) => name).join(' and ');
    const problem = provided.length === 0 ? 'missing request body' : `${names} cannot be combined`;
    throw new CliError(`${problem}: expected one of --data JSON, --file FILE, --input s3://BUCKET/KEY`, 2);
  }
  if (data !== undefined) {
    const text = data.trimStart().startsWith('[') ? `{"instances": ${data}}` : data;
    return { body: Buffer.from(text), contentType: type ?? 'application/json' };
  }
  if (file === undefined) return {};
  const contentType = type ?? typeOfExtension[extname(file).toLowerCase()] ?? 'application/octet-stream';
  try {
    return { body: (await openAsBlob(file)).stream(), contentType };
  } catch (cause) {
    throw new CliError(`cannot read ${file}`, 1, { cause });
  }
}

function printed(session: VerbSession, request: AsyncBody): number {
  const { id, endpoint, state, reason, input, output, created_at: created, finished_at: finished } = request;
  session.print(
    request,
    fields([
      ['request', id],
      ['endpoint', endpoint],
      ['state', state],
      ['reason', reason],
      ['input', input],
      ['output', state === 'queued' || state === 'succeeded' ? output : null],
      ['accepted', utcText(created)],
      ['finished', utcText(finished)],
    ]),
  );
  return 0;
}

/** Reasons are not shortened: the advice is often at their end. */
export function listText(items: readonly AsyncBody[]): string {
  return table(items, [
    { title: 'ID', cell: ({ id }) => id },
    { title: 'ENDPOINT', cell: ({ endpoint }) => endpoint },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'ACCEPTED (UTC)', cell: (item) => timeText(item.created_at) },
    { title: 'REASON', cell: ({ reason }) => reason?.replaceAll(/\s+/g, ' ') ?? '' },
  ]);
}

/** `penstock async submit | status | list | output | retry | cancel`: requests that are worked on later. */
import { openAsBlob } from 'node:fs';
import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import type { AsyncBody, Page } from '../../api/index.ts';
import { parseDurationMs } from '../../objective.ts';
import { part, type Query } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { fields, table } from '../table.ts';
import { type CommonOptions, parsedBy, type Session, verb, verbGroup, wholeNumber } from '../verb.ts';
import { timeText, utcText } from '../words.ts';

interface SubmitOptions extends CommonOptions {
  readonly data?: string;
  readonly file?: string;
  readonly input?: string;
  readonly result?: string;
  readonly type?: string;
  readonly accept?: string;
  readonly inferenceId?: string;
  /** Milliseconds, as the next. */
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
const narrower = '--endpoint and --state choose among them';
const states = ['queued', 'succeeded', 'failed', 'expired', 'cancelled'];
const typeOfExtension: Readonly<Record<string, string>> = { '.json': 'application/json', '.csv': 'text/csv', '.npy': 'application/x-npy' };

export function addAsync(program: Command, doors: Doors): void {
  const all = verbGroup(program, 'async', 'have endpoints work on requests later');
  addSubmit(all, doors);
  verb(all, doors, 'status <id>', 'tell what became of a request').runs(async (session, _options, id: string) => {
    return printed(session, await (await session.client()).get<AsyncBody>(`/async/${part(id)}`));
  });
  addList(all, doors);
  verb(all, doors, 'output <id>', 'print the answer to a request').runs(async (session, _options, id: string) => {
    const text = await (await session.client()).text('GET', `/async/${part(id)}/output`, {});
    session.doors.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    return 0;
  });
  for (const [name, summary] of [
    ['retry', 'have a failed or expired request worked on again'],
    ['cancel', 'have a queued request worked on no more'],
  ] as const) {
    verb(all, doors, `${name} <id>`, summary).runs(async (session, _options, id: string) => {
      return printed(session, await (await session.client()).post<AsyncBody>(`/async/${part(id)}/${name}`));
    });
  }
}

function addSubmit(all: Command, doors: Doors): void {
  verb(all, doors, 'submit <endpoint>', 'send a body to be worked on later; prints the id to ask after')
    .with((command) =>
      command
        .option('--data <json>', `'[[5.1, 3.5, 1.4, 0.2]]', or a whole body with "instances" or "inputs"`)
        .option('--file <file>', 'of any size')
        .option('--input <uri>', 's3://BUCKET/KEY, an object of this server')
        .option('--result <uri>', 's3://BUCKET/KEY of the answer (default: a place in the bucket penstock-async)')
        .option('--type <content-type>', 'what the body is, where its extension does not say')
        .option('--accept <content-type>', 'what the answer is to be')
        .option('--inference-id <id>', 'a name of your own')
        .option('--timeout <duration>', 'the longest that it may run (default: 15m)', parsedBy(parseDurationMs))
        .option('--ttl <duration>', 'the longest that it may wait (default: 6h)', parsedBy(parseDurationMs))
        .option('--notify <url>', 'told of the outcome; signed if the server has a PENSTOCK_WEBHOOK_SECRET'),
    )
    .runs(async (session, options: SubmitOptions, endpoint: string) => {
      const { input, result, inferenceId, timeout, ttl, notify, accept } = options;
      const query: Query = { input, output: result, inference_id: inferenceId, timeout_ms: timeout, ttl_ms: ttl, notify };
      const sent = await bodyOf(options);
      const headers = accept === undefined ? {} : { accept };
      const call = { query, headers, ...sent };
      const request = await (await session.client()).post<AsyncBody>(`/endpoints/${part(endpoint)}/async`, call);
      session.print(request, `${request.id}\n`);
      session.remark(`accepted: ask with \`penstock async status ${request.id}\`; the answer comes to ${request.output}`);
      return 0;
    });
}

function addList(all: Command, doors: Doors): void {
  verb(all, doors, 'list', 'list requests, the latest first')
    .with((command) =>
      command
        .option('--endpoint <name>', 'only those of an endpoint')
        .addOption(new Option('--state <state>', 'only those').choices(states))
        .option('-n, --limit <number>', 'how many', wholeNumber(1, limitMost), 50),
    )
    .runs(async (session, { endpoint, state, limit }: ListOptions) => {
      const { items, next } = await (await session.client()).get<Page<AsyncBody>>('/async', { query: { endpoint, state, limit } });
      session.print(items, items.length === 0 ? 'there are no such requests\n' : listText(items));
      if (next !== null)
        session.remark(`the latest ${items.length}, there are more: ${limit < limitMost ? '-n shows more, ' : ''}${narrower}`);
      return 0;
    });
}

async function bodyOf({ data, file, input, type }: SubmitOptions) {
  const given = Object.entries({ '--data': data, '--file': file, '--input': input }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    const names = given.map(([name]) => name).join(' and ');
    const what = given.length === 0 ? 'the body is missing' : `${names} are ${given.length} bodies, and a request has one`;
    throw new Failure(`${what}: give one of --data JSON, --file FILE, --input s3://BUCKET/KEY`, 2);
  }
  if (data !== undefined) {
    const text = data.trimStart().startsWith('[') ? `{"instances": ${data}}` : data;
    return { body: Buffer.from(text), contentType: type ?? 'application/json' };
  }
  if (file === undefined) return {};
  const contentType = type ?? typeOfExtension[extname(file).toLowerCase()] ?? 'application/octet-stream';
  try {
    return { body: (await openAsBlob(file)).stream() as ReadableStream<Uint8Array>, contentType };
  } catch (cause) {
    throw new Failure(`${file} cannot be read`, 1, { cause });
  }
}

function printed(session: Session, request: AsyncBody): number {
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

/** Reasons are whole: what helps often stands at their end. */
export function listText(items: readonly AsyncBody[]): string {
  return table(items, [
    { title: 'ID', cell: ({ id }) => id },
    { title: 'ENDPOINT', cell: ({ endpoint }) => endpoint },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'ACCEPTED (UTC)', cell: (item) => timeText(item.created_at) },
    { title: 'REASON', cell: ({ reason }) => reason?.replaceAll(/\s+/g, ' ') ?? '' },
  ]);
}

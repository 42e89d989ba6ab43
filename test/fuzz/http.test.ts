/** Sends bytes that no HTTP library would send to all HTTP APIs of the server. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { infer } from '../end-to-end/oip-client.ts';
import { assertSameTensors, sample } from '../models/index.ts';
import { fuzz, smallerBytes, smallerLists } from './campaign.ts';
import { type HttpCase, type HttpTarget, httpCase, smuggledId } from './http-requests.ts';
import { exchange, type RawResponse, readResponses } from './raw-http.ts';
import { WatchedServer } from './watched-server.ts';

/** 500 would mean a failed model, which no request here can cause. */
const allowedFailures = [501, 503, 504];

let watched: WatchedServer;
let to: HttpTarget;

before(async () => {
  watched = await WatchedServer.start({ flags: ['--body-limit', '1MiB'] });
  await watched.server.deploy('digits', 'digits_mlp');
  const [id = '', secret = ''] = watched.server.adminKey.split(':');
  to = { url: watched.url, key: { id, secret }, nativeRoutes: await nativeRoutes() };
});

async function nativeRoutes(): Promise<string[]> {
  const document = (await (await fetch(`${watched.url}/api/v1/openapi.json`)).json()) as { paths: Record<string, object> };
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert(routes.length > 50, 'the OpenAPI document lists the routes');
  return routes;
}

describe('the HTTP APIs under fuzzing', () => {
  test('each connection is answered in sync or closed, without a server error', async () => {
    await fuzz<HttpCase>({
      name: 'http',
      cases: 800,
      concurrency: 16,
      generate: (random) => httpCase(random, to),
      check,
      smaller: (input) => [
        ...smallerLists(input.requests).map((requests) => ({ ...input, requests })),
        ...input.requests.flatMap((request, i) =>
          smallerBytes(request.bytes).map((bytes) => ({
            ...input,
            kind: 'mutated' as const,
            requests: input.requests.map((each, j) => (i === j ? { ...each, bytes } : each)),
          })),
        ),
      ],
      show: ({ requests, kind, ending, pauseMs }) =>
        `${kind}, ending: ${ending}, pause: ${pauseMs} ms\n${requests.map(({ bytes }) => JSON.stringify(bytes.toString('latin1'))).join('\n')}`,
    });
  });

  after(async () => {
    const digits = sample('digits_mlp');
    const { status, outputs } = await infer(watched.url, 'digits', digits.inputs);
    assert.equal(status, 200);
    assertSameTensors(outputs, digits.outputs);
    await watched.end();
  });
});

async function check(input: HttpCase): Promise<void> {
  const { requests, pieceBytes, pauseMs, ending, kind } = input;
  const all = Buffer.concat(requests.map(({ bytes }) => bytes));
  const pieces: Buffer[] = [];
  for (let at = 0; at < all.length; at += pieceBytes) pieces.push(all.subarray(at, at + pieceBytes));
  const { bytes, isClosed } = await exchange(to.url, { pieces, pauseMs, ending });
  watched.assertWell();
  if (ending === 'reset') return;
  const byId = new Map(requests.map(({ id, isHead }, at) => [id, { at, isHead }]));
  const answers = readResponses(bytes, (headers, index) => {
    // AWS protocols use their own ids.
    const request = byId.get(headers['x-request-id'] ?? '') ?? (kind === 'valid' ? requests[index] : undefined);
    return request?.isHead ?? false;
  });
  for (const answer of answers) assertAnswer(answer);
  // A stream continues for as long as its client reads.
  const isStreaming = answers.at(-1)?.headers['content-type']?.startsWith('text/event-stream') === true;
  assert(isClosed || isStreaming, 'the server did not close a connection that its client has closed');
  const ids = answers.map(({ headers }) => headers['x-request-id'] ?? '');
  if (kind !== 'mutated') assert(!ids.includes(smuggledId), 'a request inside a body was answered');
  if (kind !== 'valid') return;
  const order = ids.flatMap((id) => byId.get(id)?.at ?? []);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
    'the responses are not in the order of the requests',
  );
  assert.equal(new Set(order).size, order.length, 'a request was answered twice');
  assert(answers.length <= requests.length, `${requests.length} requests got ${answers.length} responses`);
}

/** Checks status, form and content of a response. */
function assertAnswer({ status, headers, body, isCut }: RawResponse): void {
  const text = body.toString('utf8');
  assert(status < 500 || allowedFailures.includes(status), `status ${status}: ${text.slice(0, 500)}`);
  if (status < 400 || isCut || body.length === 0) return;
  assert.doesNotMatch(
    text,
    /\n\s+at .+:\d+:\d+|node_modules|node:internal|\/src\/\w+\/.*\.ts/,
    'an error reveals a stack trace or a path of the server',
  );
  assert(!text.includes(watched.server.dataDir), 'an error reveals the data directory');
  const type = headers['content-type'] ?? '';
  if (type.includes('xml')) assert.match(text, /<Code>\w+<\/Code>.*<Message>|<Message>.*<Code>/s);
  else {
    assert.match(type, /^application\/(?:json|x-amz-json-1\.[01])$/, `an error has the content type ${type}: ${text.slice(0, 200)}`);
    const error = JSON.parse(text) as Record<string, unknown>;
    const isOurs = typeof error.error === 'string' && (typeof error.code === 'string' || error.ready === false);
    assert(isOurs || typeof error.__type === 'string', `an error has an unknown form: ${text.slice(0, 200)}`);
  }
}

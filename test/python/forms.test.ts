/** Python functions of each form, through every HTTP API: rows of JSON, a stream of values, a frame of named columns. */
import assert from 'node:assert/strict';
import { chmodSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { type ServerAnswer, TestServer } from '../processes/server.ts';

const environment = await pythonEnvironment('penstock-python', join(import.meta.dirname, 'requirements-sklearn.txt'));

/** A function of each form. `reviews` gives each row its own result, whatever is beside it. */
const models = {
  reviews: `
def predict(items: list[dict]):
    for item in items:
        if "say" in item:
            print(item["say"])
    return [{"id": item["id"], "words": len(item["text"].split())} for item in items]
`,
  story: `
import logging

class Unknown(Exception):
    status = 404

def predict(prompt: str):
    logging.info("a story of %s", prompt)
    if prompt == "ghosts":
        raise Unknown("no story of ghosts")
    for word in prompt.split():
        yield word + " "
    if "end" in prompt:
        raise ValueError(prompt)
`,
} as const;

describe('a Python function', { skip: typeof environment === 'string' && environment }, () => {
  const bin = typeof environment === 'string' ? '' : environment.bin;
  const server = new TestServer([], { environments: { default: { python: join(bin, 'python') } } });
  const json = { 'content-type': 'application/json' };

  before(async () => {
    chmodSync(join(realpathSync(bin), '..'), 0o755); // workers have users of their own
    await server.start();
    await Promise.all((Object.keys(models) as (keyof typeof models)[]).map(deployed));
  });
  after(() => server.close());

  async function deployed(name: keyof typeof models): Promise<void> {
    const registered = await server.call('POST', `/groups/${name}/versions?name=model.py`, models[name]);
    assert.equal(registered.status, 201, registered.text);
    await server.call('POST', `/groups/${name}/versions/1/approval`, { approval: 'Approved' });
    let version: ServerAnswer;
    do {
      await new Promise((resolve) => setTimeout(resolve, 50));
      version = await server.call('GET', `/groups/${name}/versions/1`);
    } while (version.at('python.state') === 'opening');
    assert.equal(version.at('approval'), 'Approved', version.text);
    const created = await server.call('POST', '/endpoints', { name, variants: [{ model: `${name}/1` }] });
    assert.equal(created.status, 202, created.text);
    await server.until(name, 'InService', 60);
  }

  async function post(path: string, body: string, headers: Record<string, string> = json): Promise<[number, string | null, string]> {
    const response = await fetch(`${server.url}${path}`, { method: 'POST', body, headers });
    return [response.status, response.headers.get('content-type'), await response.text()];
  }

  test('that takes rows of JSON shows their form, and why it may be batched', async () => {
    const version = await server.call('GET', '/groups/reviews/versions/1');
    assert.equal(version.at('runtime.form'), 'json');
    assert.deepEqual(version.at('signature.inputs'), [{ name: 'request', datatype: 'BYTES', shape: [-1], content: 'json' }]);
    assert.equal(version.at('batchable'), true);
    assert.match(version.at('batchable_reason') as string, /This was not tested: no sample/);
  });

  test('answers one row by its result, instances by predictions, lines by lines', async () => {
    const row = '{"id":9007199254740993,"text":"not bad at all"}';
    const result = '{"id":9007199254740993,"words":4}';
    const alone = await server.invoke('reviews', row, json);
    assert.deepEqual([alone.status, alone.headers.get('content-type'), alone.text], [200, 'application/json', result]);
    const rows = await server.invoke('reviews', `{"instances":[${row},{"id":2,"text":"bad"}]}`, json);
    assert.match(rows.text, /^\{"predictions":\[\{"id":9007199254740993,"words":4\},\{"id":2,"words":1\}\],"model_version":"1"/);
    const lines = await server.invoke('reviews', `${row}\n${row}\n`, { 'content-type': 'application/jsonlines' });
    assert.deepEqual([lines.headers.get('content-type'), lines.text], ['application/jsonlines', `${result}\n${result}\n`]);
    const input = { name: 'request', datatype: 'BYTES', shape: [1], data: [row] };
    const [status, , text] = await post('/v2/models/reviews/infer', JSON.stringify({ inputs: [input] }));
    assert.deepEqual([status, JSON.parse(text).outputs[0].data], [200, [result]]);
  });

  test('never sees invalid JSON, and one bad row fails alone', async () => {
    const malformed = await server.invoke('reviews', '{"id":', json);
    assert.deepEqual([malformed.status, malformed.at('code')], [400, 'invalid_request']);
    const good = Array.from({ length: 8 }, (_, id) => server.invoke('reviews', JSON.stringify({ id, text: 'a b' }), json));
    const [bad, ...others] = await Promise.all([server.invoke('reviews', '[1]', json), ...good]);
    assert.deepEqual([bad.status, bad.at('code')], [400, 'invalid_request'], bad.text);
    assert.deepEqual(
      others.map(({ status, text }) => [status, text]),
      others.map((_, id) => [200, `{"id":${id},"words":2}`]),
    );
  });

  test('that yields sends each value: as it is, as events, as responses of generate_stream', async () => {
    const events = { ...json, accept: 'text/event-stream' };
    const plain = await server.invoke('story', 'once upon', { 'content-type': 'text/plain' });
    assert.deepEqual([plain.status, plain.headers.get('content-type'), plain.text], [200, 'text/plain; charset=utf-8', 'once upon ']);
    const streamed = await server.invoke('story', '{"text_input":"once upon"}', events);
    assert.deepEqual(
      [streamed.headers.get('content-type'), streamed.text],
      ['text/event-stream; charset=utf-8', 'data: once \n\ndata: upon \n\n'],
    );
    const head = '"model_name":"story","model_version":"1"';
    assert.deepEqual(await post('/v2/models/story/generate_stream', '{"text_input":"once upon","parameters":{}}'), [
      200,
      'text/event-stream; charset=utf-8',
      `data: {${head},"text_output":"once "}\n\ndata: {${head},"text_output":"upon "}\n\n`,
    ]);
    const whole = await post('/v2/models/story/generate', '{"text_input":"once upon"}');
    assert.deepEqual(whole, [200, 'application/json', `{${head},"text_output":"once upon "}`]);
  });

  test('names its requests in what it prints and logs, and in nothing else', async () => {
    const said = async (endpoint: string, request: string, lines: number): Promise<unknown[]> => {
      const query = new URLSearchParams({ log: 'workers', endpoint, request });
      for (;;) {
        const items = (await server.call('GET', `/logs?${query.toString()}`)).at('items') as { line: string }[];
        if (items.length >= lines) return items.map(({ line }) => (JSON.parse(line) as { message: string }).message);
        await new Promise((resolve) => setTimeout(resolve, 50)); // lines are stored each second
      }
    };
    const row = JSON.stringify({ id: 1, text: 'a', say: 'a line\nof two' });
    await server.invoke('reviews', row, { ...json, 'x-request-id': 'r-1' });
    await server.invoke('reviews', '{"id":1,"text":"a"}', { ...json, 'x-request-id': 'r-2' });
    await server.invoke('story', '"sheep"', { ...json, 'x-request-id': 'r-3' });
    assert.deepEqual(await said('reviews', 'r-1', 2), ['a line (request r-1)', 'of two (request r-1)']);
    assert.deepEqual(await said('story', 'r-3', 1), ['INFO root: a story of sheep (request r-3)']);
    assert.deepEqual((await server.call('GET', '/logs?log=workers&endpoint=reviews&request=r-2')).at('items'), []);
  });

  test('fails before its stream with a status, and within it with an event', async () => {
    const unknown = await server.invoke('story', '"ghosts"', json);
    assert.deepEqual([unknown.status, unknown.at('error')], [404, 'no story of ghosts']);
    const [status, , text] = await post('/v2/models/story/generate_stream', '{"text_input":"the end"}');
    assert.equal(status, 200);
    assert.match(text, /"text_output":"end "\}\n\nevent: error\ndata: \{"error":".*ValueError.*"\}\n\n$/);
  });
});

/** The generate extension with a text model: as JSON and as a stream of events. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from './server.ts';

let server: Server;
before(async () => {
  server = await Server.start();
  await server.deploy('spam', 'spam_text');
});
after(() => server?.end());

const spam = 'Congratulations, you won a free prize! Call now to claim your cash reward.';

function post(path: string, body: object): Promise<Response> {
  return fetch(`${server.url}/v2/models/spam${path}`, { method: 'POST', body: JSON.stringify(body) });
}

/** The response of `infer` to the same text. */
async function inferred(): Promise<Map<string, readonly unknown[]>> {
  const response = await post('/infer', { inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: [spam] }] });
  const { outputs } = (await response.json()) as { outputs: { name: string; data: unknown[] }[] };
  return new Map(outputs.map(({ name, data }) => [name, data]));
}

test('answers a text with a value for each output, the same as infer', async () => {
  const expected = await inferred();
  for (const [path, type, read] of [
    ['/generate', 'application/json', (text: string) => text],
    ['/versions/1/generate_stream', 'text/event-stream; charset=utf-8', (text: string) => /^data: (.*)\n\n$/.exec(text)?.[1] ?? ''],
  ] as const) {
    for (const key of ['text', 'text_input']) {
      const response = await post(path, { id: '7', [key]: spam });
      assert.deepEqual([response.status, response.headers.get('content-type')], [200, type]);
      const answer = JSON.parse(read(await response.text())) as Record<string, unknown>;
      assert.deepEqual([answer['model_name'], answer['id']], ['spam', '7']);
      for (const [name, data] of expected) {
        // The only text output.
        const outputName = key === 'text_input' && name === 'label' ? 'text_output' : name;
        assert.deepEqual(answer[outputName], data.length === 1 ? data[0] : data, outputName);
      }
    }
  }
});

test('rejects invalid requests before the stream begins', async () => {
  for (const path of ['/generate', '/generate_stream']) {
    const response = await post(path, { texts: spam });
    assert.equal(response.status, 400);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.match(((await response.json()) as { error: string }).error, /missing input 'text'.*generate takes a key/);
    const wrongVerb = await fetch(`${server.url}/v2/models/spam${path}`);
    assert.equal(wrongVerb.status, 405);
    await wrongVerb.arrayBuffer();
  }
});

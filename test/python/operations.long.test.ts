/** Python functions of each form in operation: transforms, asynchronous requests, functions from zero, overflow, rollouts, hangs. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { until } from '../end-to-end/poll.ts';
import { type ServerAnswer, TestServer } from '../processes/server.ts';

const environment = await pythonEnvironment('penstock-python', join(import.meta.dirname, 'requirements-sklearn.txt'));

const models = {
  sums: `
def predict(x: "float64[n,2]") -> "float64[n,1]":
    return x.sum(axis=1, keepdims=True)
`,
  words: `
import time

def predict(items: list[dict]):
    while any("hang" in item for item in items): time.sleep(600)
    time.sleep(max(item.get("seconds", 0) for item in items))
    return [len(item["text"].split()) for item in items]
`,
  upper: `
def predict(body: bytes, content_type: str):
    return body.upper(), content_type
`,
  echo: `
def predict(text: str):
    for word in text.split():
        yield word + ";"
`,
} as const;
type Name = keyof typeof models;

/** A request of each form, and its result. */
const calls: Readonly<Record<Name, readonly [type: string, body: string, result: string]>> = {
  sums: ['application/json', '{"instances":[[1,2],[3,4]]}', '{"predictions":[[3],[7]],"model_version":"1"}'],
  words: ['application/json', '{"text":"a b c"}', '3'],
  upper: ['text/plain', 'shout', 'SHOUT'],
  echo: ['text/plain', 'one two', 'one;two;'],
};
/** `echo` and `sums` have none. */
const samples: Partial<Record<Name, readonly [type: string, body: string]>> = {
  words: ['application/jsonlines', '{"text":"a b"}\n{"text":"a"}\n{"text":""}\n'],
  upper: ['text/csv', 'a,b\n'],
};
const names = Object.keys(models) as Name[];

describe('Python functions in operation', { skip: typeof environment === 'string' && environment, timeout: 300_000 }, () => {
  const bin = typeof environment === 'string' ? '' : environment.bin;
  const server = new TestServer([], { environments: { default: { python: join(bin, 'python') } } });
  const folder = (name: string): string => join(server.directory, name);

  before(async () => {
    chmodSync(join(realpathSync(bin), '..'), 0o755); // workers have users of their own
    await server.start();
    await Promise.all(names.map((name) => approved(name, models[name])));
  });
  after(() => server.close());

  async function approved(group: string, code: string, number = 1): Promise<void> {
    const registered = await server.call('POST', `/groups/${group}/versions?name=model.py`, code);
    assert.equal(registered.status, 201, registered.text);
    const path = `/groups/${group}/versions/${number}`;
    const [contentType, sample] = samples[group as Name] ?? [];
    if (sample !== undefined) await server.call('PUT', `${path}/sample`, sample, { 'content-type': contentType as string });
    await server.call('POST', `${path}/approval`, { approval: 'Approved' });
    const version = await until(`${group} is opened`, async () => {
      const answer = await server.call('GET', path);
      return answer.at('python.state') !== 'opening' && answer;
    });
    assert.equal(version.at('approval'), 'Approved', version.text);
  }

  async function deployed(name: string, model: string, settings: object = {}, endpoint: object = {}): Promise<void> {
    const created = await server.call('POST', '/endpoints', { name, variants: [{ model, ...settings }], ...endpoint });
    assert.equal(created.status, 202, created.text);
    await server.until(name, 'InService', 60);
  }

  async function answers(endpoint: string, name: Name): Promise<void> {
    const [type, body, result] = calls[name];
    const answer = await server.invoke(endpoint, body, { 'content-type': type });
    assert.deepEqual([answer.status, answer.text], [200, result], name);
  }

  const variantOf = async (endpoint: string): Promise<ServerAnswer> => server.call('GET', `/endpoints/${endpoint}`);

  test('are measured: with made-up tensors, with the rows of a sample, with a sample as one request', async () => {
    const measured = (name: Name): Promise<ServerAnswer> => server.call('POST', `/groups/${name}/versions/1/profile`, {});
    for (const [name, batchMax] of [
      ['sums', 32],
      ['words', 32],
      ['upper', 1],
    ] as const) {
      const { status, text } = await measured(name);
      assert.equal(status, 200, text);
      assert((JSON.parse(text) as { batch_max: number }).batch_max === batchMax, text);
    }
    const unknown = await measured('echo');
    assert.deepEqual([unknown.status, unknown.at('code')], [501, 'unsupported'], unknown.text);
    assert.match(unknown.at('error') as string, /Register it with --sample FILE/);
  });

  test('transform objects: rows of tensors and JSON, lines of text, whole objects', async () => {
    const inputs: readonly (readonly [Name, file: string, content: string, result: string])[] = [
      ['sums', 'rows.csv', '1,2\n3,4\n', '3\n7\n'],
      ['words', 'rows.jsonl', '{"text":"a b"}\n{"text":"c"}\n', '2\n1\n'],
      ['upper', 'rows.csv', 'a,b\nc,d\n', 'A,B\nC,D\n'],
      ['echo', 'prompts.jsonl', '"one two"\n"three"\n', 'one;two;\nthree;\n'],
      ['upper', 'note.md', 'any bytes', 'ANY BYTES'],
    ];
    for (const [index, [name, file, content, result]] of inputs.entries()) {
      const job = `job-${index}`;
      mkdirSync(folder(job));
      writeFileSync(join(folder(job), file), content);
      const body = { name: job, model: `${name}/1`, input: folder(job), output: folder(`${job}-out`) };
      const started = await server.call('POST', '/transforms', body);
      assert(started.status < 300, started.text);
      const over = await until(`${job} is over`, async () => {
        const answer = await server.call('GET', `/transforms/${job}`);
        return answer.at('state') !== 'InProgress' && answer;
      });
      assert.equal(over.at('state'), 'Completed', `${over.text} ${(await server.call('GET', `/transforms/${job}/objects`)).text}`);
      assert.equal(readFileSync(join(folder(`${job}-out`), `${file}.out`), 'utf8'), result, `${name} ${file}`);
    }
  });

  test('start from zero at the first request, answer, end, and start again', async () => {
    for (const name of names) await deployed(`${name}-f`, `${name}/1`, { functions: { keep_alive_ms: 500 } });
    for (let round = 0; round < 2; round++) {
      await Promise.all(names.map((name) => answers(`${name}-f`, name)));
      await Promise.all(
        names.map((name) =>
          until(`${name}-f is at zero`, async () => (await variantOf(`${name}-f`)).at('variants.0.workers.length') === 0),
        ),
      );
    }
    for (const name of names) {
      const variant = await variantOf(`${name}-f`);
      assert.deepEqual([variant.at('variants.0.usage.cold_starts'), variant.at('variants.0.statistics.failures')], [2, 0], name);
    }
  });

  test('answer asynchronous requests, also large ones, which are passed as files', async () => {
    const big = 'x'.repeat(12 * 2 ** 20);
    const requests: (readonly [Name, type: string, body: string, result: string])[] = names.map((name) => [name, ...calls[name]]);
    requests.push(['upper', 'text/plain', big, big.toUpperCase()]);
    for (const [name, type, body, result] of requests) {
      const path = `/endpoints/${name}-f/async`;
      const submitted = await server.call('POST', path, body, { 'content-type': type });
      assert(submitted.status < 300, submitted.text);
      const id = submitted.at('id') as string;
      const ended = await until(`${id} is answered`, async () => {
        const answer = await server.call('GET', `/async/${id}`);
        return ['succeeded', 'failed'].includes(answer.at('state') as string) && answer;
      });
      assert.equal(ended.at('state'), 'succeeded', ended.text.slice(0, 500));
      const output = await server.call('GET', `/async/${id}/output`);
      assert(output.text === result.replace(',"model_version":"1"', ''), `${name}: ${output.text.slice(0, 100)}`);
    }
  });

  test('show where a function hung, in its log and in the event, and the next request is answered', async () => {
    await deployed('words-h', 'words/1', { functions: {} }, { timeout_ms: 1000 });
    const hung = await server.invoke('words-h', '{"text":"","hang":1}', { 'content-type': 'application/json', 'x-request-id': 'r-hang' });
    assert.equal(hung.status, 504, hung.text);
    const event = await until('the event', async () => {
      const answer = await server.call('GET', '/events/recent');
      return answer.text.includes('worker.crashed') && answer;
    });
    assert.match(event.text, /did not end within the endpoint's timeout of 1s: it was in predict \(model\.py, line 5\)/);
    await until('the log', async () =>
      (await server.call('GET', '/logs?log=workers&endpoint=words-h&request=r-hang')).text.includes('in predict'),
    );
    await answers('words-h', 'words');
  });

  test('overflow to functions while the instance is busy', async () => {
    const variant = { instance_count: 1, functions: {} };
    await deployed('words-o', 'words/1', variant, { objective: 'p95<=2s' });
    await answers('words-o', 'words');
    const slow = Array.from({ length: 12 }, () =>
      server.invoke('words-o', '{"text":"a b","seconds":0.5}', { 'content-type': 'application/json' }),
    );
    for (const { status, text } of await Promise.all(slow)) assert.deepEqual([status, text], [200, '2']);
  });

  test('roll back a bad version because its requests fail, and keep a good one', async () => {
    await deployed('echo-r', 'echo/1', { instance_count: 1 });
    await approved('echo', models.echo.replace('for word', 'if text != "0": raise ValueError("bad")\n    for word'), 2);
    await approved('echo', models.echo.replace('";"', '"."'), 3);
    let isOver = false;
    const load = (async (): Promise<void> => {
      while (!isOver) await server.invoke('echo-r', 'a', { 'content-type': 'text/plain' });
    })();
    const update = async (number: number): Promise<string> => {
      const rollout = { steps: [50, 100].map((percent) => ({ percent, watch_s: 2 })), min_requests: 5, alarms: [] };
      const answer = await server.call('PATCH', '/endpoints/echo-r', {
        variants: [{ model: `echo/${number}`, instance_count: 1 }],
        rollout,
      });
      assert(answer.status < 300, answer.text);
      await server.until('echo-r', 'InService', 60);
      return (await variantOf('echo-r')).at('variants.0.model') as string;
    };
    try {
      assert.equal(await update(2), 'echo/1');
      assert.equal(await update(3), 'echo/3');
    } finally {
      isOver = true;
      await load;
    }
  });
});

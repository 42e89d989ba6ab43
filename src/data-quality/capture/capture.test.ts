import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../clock.ts';
import { type CaptureConfig, captureDefault, checkCapture } from './capture-config.ts';
import { CaptureFiles } from './capture-files.ts';
import { type CapturedCall, captureFileName, captureFolder, captureLine, redactCsv, redacted, redactJson } from './capture-line.ts';
import { capturedInput } from './captured-input.ts';
import { readCaptured } from './read-captured.ts';

const atMs = Date.UTC(2026, 10, 24, 7, 5, 9, 42);
const csv = { contentType: 'text/csv', body: '1,2\n' };

function call(more: Partial<CapturedCall> = {}): CapturedCall {
  const output = { contentType: 'application/json', body: '{"predictions":[1]}' };
  return { endpoint: 'e', variant: 'v', eventId: 'id', inferenceId: 'mine', atMs, input: csv, output, capture: captureDefault, ...more };
}

const capture = (more: Partial<CaptureConfig>): CaptureConfig => ({ ...captureDefault, ...more });
const bodiesOf = (line: string) => (JSON.parse(line) as { captureData: Record<string, { data: string; encoding: string }> }).captureData;

describe("a line in SageMaker's layout", () => {
  test('contains the unchanged bodies and the metadata of the call', () => {
    assert.equal(
      captureLine(call()),
      '{"captureData":{"endpointInput":{"observedContentType":"text/csv","mode":"INPUT","data":"1,2\\n","encoding":"CSV"},' +
        '"endpointOutput":{"observedContentType":"application/json","mode":"OUTPUT","data":"{\\"predictions\\":[1]}","encoding":"JSON"}},' +
        '"eventMetadata":{"eventId":"id","inferenceId":"mine","inferenceTime":"2026-11-24T07:05:09Z"},"eventVersion":"0"}\n',
    );
  });

  test('contains only the configured parts, and no inference id if there is none', () => {
    const line = captureLine(call({ capture: capture({ inputs: false }), inferenceId: null }));
    assert.deepEqual(Object.keys(bodiesOf(line)), ['endpointOutput']);
    assert(!line.includes('inferenceId'));
  });

  for (const { what, contentType, body, config = {}, encoding, data } of [
    { what: 'ignores parameters of the content type', contentType: 'Text/CSV; charset=utf-8', body: 'a', encoding: 'CSV', data: 'a' },
    { what: 'encodes bytes in base 64', contentType: 'application/x-npy', body: Buffer.from([0, 255]), encoding: 'BASE64', data: 'AP8=' },
    { what: 'encodes invalid UTF-8 in base 64', contentType: 'text/csv', body: Buffer.from([0xff]), encoding: 'BASE64', data: '/w==' },
    {
      what: 'treats configured types as text',
      contentType: 'x/y',
      body: 'é',
      config: { jsonTypes: ['x/y'] },
      encoding: 'JSON',
      data: 'é',
    },
    {
      what: 'treats other types as bytes then',
      contentType: 'text/csv',
      body: 'a',
      config: { csvTypes: ['x/y'] },
      encoding: 'BASE64',
      data: 'YQ==',
    },
    {
      what: 'stores no bytes if names are redacted',
      contentType: 'a/b',
      body: 'a',
      config: { redact: ['n'] },
      encoding: 'BASE64',
      data: redacted,
    },
  ]) {
    test(`${what}`, () => {
      const { endpointInput } = bodiesOf(captureLine(call({ input: { contentType, body }, capture: capture(config) })));
      assert.deepEqual([endpointInput?.encoding, endpointInput?.data], [encoding, data]);
    });
  }

  test('goes to the folder of its hour', () => {
    const { bucket, folder } = captureFolder(call({ capture: capture({ to: 's3://bucket/a/b/' }) }));
    assert.equal(`${bucket}/${folder}/${captureFileName(atMs, 'id')}`, 'bucket/a/b/e/v/2026/11/24/07/05-09-042-id.jsonl');
    assert.equal(captureFolder(call()).folder, 'e/v/2026/11/24/07');
  });
});

describe('a value to redact', () => {
  test('is redacted in JSON at any depth, and in tensors of that name', () => {
    const text = '{"a":{"age":3,"b":[{"age":"x"}]},"inputs":[{"name":"age","data":[1]},{"name":"b","data":[2]}]}';
    assert.equal(
      redactJson(text, new Set(['age'])),
      `{"a":{"age":"${redacted}","b":[{"age":"${redacted}"}]},"inputs":[{"name":"age","data":"${redacted}"},{"name":"b","data":[2]}]}`,
    );
    assert.equal(redactJson('{"age":1}\n{"b":2}\n', new Set(['age'])), `{"age":"${redacted}"}\n{"b":2}\n`);
    assert.equal(redactJson('{"age":', new Set(['age'])), redacted);
  });

  test('is redacted in CSV columns by name or index; with neither, the whole body is', () => {
    assert.equal(redactCsv('age,"b,c"\r\n1,"2,3"\r\n', new Set(['b,c'])), `age,"b,c"\r\n1,${redacted}\r\n`);
    assert.equal(redactCsv('1,2,3\n4,5,6', new Set(['x[1]'])), `1,${redacted},3\n4,${redacted},6`);
    assert.equal(redactCsv('1,2\n', new Set(['age'])), redacted);
  });

  test('never appears in the line, whatever the body', () => {
    const secret = 'S3CRET';
    const json = fc.jsonValue().map((value) =>
      JSON.stringify([
        { deep: value, age: secret },
        { name: 'age', data: [secret] },
      ]),
    );
    const bodies = fc.oneof(
      json.map((body) => ({ contentType: 'application/json', body })),
      fc.string().map((text) => ({ contentType: 'application/json', body: `${text}{"age":"${secret}"}` })),
      fc.string().map((text) => ({ contentType: 'text/csv', body: `b,age\n"${text.replaceAll('"', '""')}",${secret}\n` })),
      fc.string().map((text) => ({ contentType: 'text/csv', body: `${text.replaceAll('age', '')},${secret}` })),
    );
    fc.assert(
      fc.property(bodies, (input) => {
        const line = captureLine(call({ input, output: null, capture: capture({ redact: ['age'] }) }));
        assert(!line.includes(secret), line);
        assert.doesNotThrow(() => JSON.parse(line));
      }),
    );
  });
});

for (const [what, more] of [
  ['more than all', { percent: 101 }],
  ['nothing', { inputs: false, outputs: false }],
  ['no bucket', { to: '/tmp' }],
  ['a name without letters', { redact: [''] }],
] as const) {
  test(`rejects a config of ${what}`, () => assert.throws(() => checkCapture(capture(more)), { code: 'invalid_request' }));
}

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

function fixture() {
  const clock = new VirtualClock(atMs);
  const written = new Map<string, string>();
  const gaps: [string, number, string][] = [];
  const scene = { refusal: null as Error | null };
  const files = new CaptureFiles({
    clock,
    write: async ({ bucket, key }, chunks) => {
      if (scene.refusal !== null) throw scene.refusal;
      let text = '';
      for await (const chunk of chunks) text += Buffer.from(chunk).toString();
      written.set(`${bucket}/${key}`, text);
    },
    onGap: (...gap) => void gaps.push(gap),
  });
  const goOn = async (ms: number): Promise<void> => {
    for (let left = ms; left >= 0; left -= 1000) {
      clock.advance(Math.min(left, 1000));
      await settle();
    }
  };
  return { clock, files, written, gaps, scene, goOn };
}

describe('captured calls', () => {
  test('are written after ten seconds, one file per endpoint, variant and hour, once and in order', async () => {
    const { files, written, goOn } = fixture();
    for (let i = 0; i < 100; i++) files.add(call({ eventId: String(i), variant: i % 2 === 0 ? 'a' : 'b' }));
    await goOn(9000);
    assert.equal(written.size, 0);
    await goOn(1000);
    assert.equal(written.size, 2);
    for (const [key, text] of written) {
      const from = key.includes('/a/') ? 0 : 1;
      const ids = text
        .split('\n')
        .slice(0, -1)
        .map((line) => Number((JSON.parse(line) as { eventMetadata: { eventId: string } }).eventMetadata.eventId));
      assert.deepEqual(
        ids,
        Array.from({ length: 50 }, (_, i) => 2 * i + from),
      );
      assert.match(key, /^penstock-capture\/e\/[ab]\/2026\/11\/24\/07\/05-09-042-[0-9a-f-]{36}\.jsonl$/);
    }
  });

  test('are written at once after 4 MiB', async () => {
    const { files, written, goOn } = fixture();
    const input = { contentType: 'text/csv', body: Buffer.alloc(2 ** 20, '1') };
    for (let i = 0; i < 4; i++) files.add(call({ input }));
    await goOn(9000); // before the ten-second round
    assert.equal(written.size, 1);
  });

  test('are dropped and counted while the disk fails, reported once per round, and written again later', async () => {
    const { files, written, gaps, scene, goOn } = fixture();
    scene.refusal = new Error('no space left');
    for (let i = 0; i < 7; i++) files.add(call());
    await goOn(20_000);
    assert.deepEqual(gaps, [['e', 7, 'no space left']]);
    scene.refusal = null;
    files.add(call());
    await goOn(10_000);
    assert.equal(written.size, 1);
  });

  test('use at most 32 MiB of memory while the disk is slow', async () => {
    const { clock } = fixture();
    const gaps: number[] = [];
    const tell = (_endpoint: string, calls: number): void => void gaps.push(calls);
    const files = new CaptureFiles({ clock, write: () => new Promise(() => {}), onGap: tell });
    const input = { contentType: 'text/csv', body: Buffer.alloc(2 ** 20) };
    for (let i = 0; i < 100; i++) files.add(call({ input }));
    files.add(call({ input: { contentType: 'a/b', body: Buffer.alloc(5 * 2 ** 20) } }));
    void files.flush();
    await settle();
    assert.equal(gaps.length, 0); // the write is still pending: gaps are reported when it ends
    let retained = 0;
    const counted = new CaptureFiles({
      clock,
      write: async () => {},
      onGap: tell,
      onWritten: (_, calls) => (retained += calls),
    });
    for (let i = 0; i < 100; i++) counted.add(call({ input }));
    counted.add(call({ input: { contentType: 'a/b', body: Buffer.alloc(5 * 2 ** 20) } }));
    await counted.close();
    assert.deepEqual([retained + gaps.reduce((sum, calls) => sum + calls, 0), retained < 32], [101, true]);
  });

  test('are read back for the requested time span', async () => {
    const files = new Map<string, string>();
    for (let minute = 0; minute < 180; minute++) {
      const at = atMs + minute * 60_000;
      const { folder } = captureFolder(call({ atMs: at }));
      const key = `${folder}/f.jsonl`;
      files.set(
        key,
        `${files.get(key) ?? ''}${captureLine(call({ atMs: at, input: { contentType: 'text/csv', body: String(minute) } }))}broken\n`,
      );
    }
    files.set('e2/v/2026/11/24/07/f.jsonl', captureLine(call()));
    const read = async (fromMs: number, toMs: number): Promise<number[]> => {
      const found: number[] = [];
      const reader = {
        list: async (_bucket: string, prefix: string, after: string | null) =>
          [...files.keys()].sort().filter((key) => key.startsWith(prefix) && (after === null || key > after)),
        read: async (_bucket: string, key: string) => Buffer.from(files.get(key) ?? ''),
      };
      const span = { bucket: 'b', prefix: '', endpoint: 'e', fromMs, toMs };
      for await (const { body, variant } of readCaptured(reader, span))
        found.push(Number(`${variant === 'v' ? '' : 'x'}${body.toString()}`));
      return found;
    };
    assert.deepEqual(await read(atMs + 58 * 60_000, atMs + 62 * 60_000 - 42), [58, 59, 60, 61]);
    assert.equal((await read(0, atMs + 1e9)).length, 180);
  });

  test('are read back up to a number of bytes, from all files alike', async () => {
    const body = Buffer.alloc(2 ** 20, '1,');
    const line = captureLine(call({ input: { contentType: 'text/csv', body }, output: null }));
    const file = Buffer.from(line.repeat(12));
    const readFrom = async (files: number): Promise<number[]> => {
      const keys = Array.from({ length: files }, (_, at) => `e/v/2026/11/24/07/${String(at).padStart(4, '0')}.jsonl`);
      const taken = new Array<number>(files).fill(0);
      let current = -1;
      const reader = {
        list: async (_bucket: string, _prefix: string, after: string | null) => (after === null ? keys : []),
        read: async () => {
          current++;
          return file;
        },
      };
      for await (const input of readCaptured(reader, { bucket: 'b', prefix: '', endpoint: 'e', fromMs: 0, toMs: atMs + 1e9 })) {
        assert.equal(input.body.length, body.length);
        taken[current] = (taken[current] ?? 0) + 1;
        structuredClone(null, { transfer: [input.body.buffer as ArrayBuffer] }); // as decoding in a thread does
      }
      return taken;
    };
    assert.deepEqual(await readFrom(4), [8, 8, 8, 8]);
    assert.deepEqual(await readFrom(40), [...new Array<number>(32).fill(1), ...new Array<number>(8).fill(0)]);
  });
});

test('lines that no capture wrote are skipped: of many values, deep or too long', () => {
  const withMore = (more: string): string => captureLine(call()).replace('{"captureData"', `{"more":${more},"captureData"`);
  assert.equal(capturedInput(withMore('[1,2]'), 'v')?.inferenceId, 'mine');
  for (const more of [
    `[${'[],'.repeat(50_000)}1]`,
    `[${'1,'.repeat(50_000)}1]`,
    `${'['.repeat(100)}${']'.repeat(100)}`,
    JSON.stringify('x'.repeat(25 * 2 ** 20)),
  ])
    assert.equal(capturedInput(withMore(more), 'v'), null);
});

/**
 * Runs the unit tests of the Python worker (`python/tests`), which need real libraries, and frames written by the server's code.
 * Without Python or a package registry, they are skipped with the reason.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ReplyHead } from '../../src/runtime/index.ts';
import { bytesOf } from '../../src/tensor.ts';
import { type PythonEnvironment, pythonEnvironment } from '../compat/python-environment.ts';
import { writeGoldenFrames } from './golden.ts';
import { linkedWorker } from './linked-worker.ts';
import { runUnittest } from './unittest-run.ts';

const environmentOf = (): Promise<PythonEnvironment | string> =>
  pythonEnvironment('penstock-python', join(import.meta.dirname, 'requirements-sklearn.txt'));

test('the Python worker reads the frames of the server, and serves models of real libraries as they answer themselves', async (t) => {
  const environment = await environmentOf();
  if (typeof environment === 'string') return t.skip(environment);
  const folder = mkdtempSync(join(tmpdir(), 'penstock-golden-'));
  try {
    await writeGoldenFrames(folder);
    const args = ['discover', '--start-directory', 'tests', '--top-level-directory', '.'];
    const { isPassed, isPartial, output, summary } = runUnittest(environment, args, { PENSTOCK_GOLDEN: folder });
    assert(isPassed && !isPartial, output);
    t.diagnostic(summary);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const source = `
KEPT = []
def load(folder):
    return int((folder / "factor.txt").read_text())
def predict(model, x: "float32[n,1000]") -> {"y": "float32[n,1000]", "kept": "float32[n]"}:
    if len(x) > 100:
        KEPT.append(x)
    return {"y": x * model, "kept": x[:, 0] * 0 + (KEPT[0][-1, -1] if KEPT else 0)}
`;
const stream = `
def predict(text: str, request):
    for i in range(int(text)):
        yield str(i) * 400_000
        if request.is_cancelled():
            return
`;

test("the server's own link opens, loads and runs it: large batches through shared memory, a stream with backpressure", async (t) => {
  const environment = await environmentOf();
  if (typeof environment === 'string') return t.skip(environment);
  const folder = mkdtempSync(join(tmpdir(), 'penstock-linked-'));
  writeFileSync(join(folder, 'model.py'), source);
  writeFileSync(join(folder, 'stream.py'), stream);
  writeFileSync(join(folder, 'factor.txt'), '3');
  const { link, child } = await linkedWorker(environment, folder, folder);
  try {
    const { form, signature, facts } = await link.openPython([], { flavour: 'code', entry: 'model.py', sample: null });
    assert.deepEqual([form, signature.inputs], ['tensors', [{ name: 'x', datatype: 'FP32', shape: [-1, 1000] }]]);
    assert.equal(facts.libraries['numpy'], '2.4.6');
    const python = { flavour: 'code', form, entry: 'model.py', signature } as const;
    await link.load({ path: '', threads: 1, name: 'model/1', python });
    const run = async (value: number): Promise<number[]> => {
      const x = { name: 'x', datatype: 'FP32' as const, shape: [150, 1000], parts: [bytesOf(new Float32Array(150_000).fill(value))] };
      const { outputs } = await link.run([x]);
      return outputs.map(({ data }) => Buffer.from(data).readFloatLE(data.byteLength - 4));
    };
    // Two slots, each used again, and runs sent ahead.
    assert.deepEqual(
      await Promise.all([1, 2, 3, 4, 5].map(run)),
      [1, 2, 3, 4, 5].map((value) => [3 * value, 1]),
    );

    await assert.rejects(link.openPython([], { flavour: 'code', entry: 'missing.py', sample: null }), /the model has no file 'missing.py'/);
    const opened = await link.openPython([], { flavour: 'code', entry: 'stream.py', sample: null });
    assert.equal(opened.form, 'stream');
    const heads: ReplyHead[] = [];
    const sizes: number[] = [];
    const sink = { begin: (head: ReplyHead) => void heads.push(head), piece: (bytes: Buffer) => void sizes.push(bytes.length) };
    const { reply } = await link.invoke({ headers: { 'content-type': 'text/plain' }, body: Buffer.from('10') }, 1, sink);
    assert.deepEqual([reply.isStreamed, sizes], [true, Array(10).fill(400_000)]);
    assert.equal(heads[0]?.headers['content-type'], 'text/plain; charset=utf-8');
    const stop = { begin: () => undefined, piece: () => assert.fail('enough') };
    await assert.rejects(link.invoke({ headers: {}, body: Buffer.from('10') }, 1, stop), /enough/);
    assert((await link.status()).rssBytes > 0);
  } finally {
    link.close();
    if (child.exitCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true });
  }
  assert.equal(child.exitCode, 0);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readTar } from '../../../../src/tar/index.ts';
import { type ChosenFile, isPythonUpload, modelUploadOf, WrongFiles } from './model-upload.ts';

function chosen(path: string, text: string): ChosenFile {
  return { path, file: new File([text], path.split('/').at(-1) ?? '') };
}

/** The files in the body of an upload, as `path: text`. */
async function packed(body: Blob): Promise<string[]> {
  const found: string[] = [];
  for await (const { path, content } of readTar(chunks(new Uint8Array(await body.arrayBuffer())))) {
    const parts: Buffer[] = [];
    for await (const part of content) parts.push(part);
    found.push(`${path}: ${Buffer.concat(parts).toString('utf8')}`);
  }
  return found;
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe('chosen files', () => {
  test('of a model in one file, or of an archive, are sent as they are', async () => {
    for (const name of ['model.onnx', 'model.tar.gz', 'model.zip']) {
      const { name: called, bytes, others, body } = modelUploadOf([chosen(name, 'content')]);
      assert.deepEqual([called, bytes, others, await body.text()], [name, 7, [], 'content']);
    }
    assert.equal(await modelUploadOf([chosen('a/model.onnx', 'one'), chosen('b/readme', 'two')]).body.text(), 'one');
  });

  test('of a model with data files are packed with their names beside the model', async () => {
    const long = `${'weights/'.repeat(20)}ä`;
    const upload = modelUploadOf([
      chosen('net/model.onnx', 'graph'),
      chosen('net/model.onnx.data', 'w'.repeat(513)),
      chosen(`net/${long}`, 'long'),
      chosen('net/._model.onnx', 'metadata'),
      chosen('other/readme.md', 'read me'),
    ]);
    assert.deepEqual([upload.name, upload.bytes, upload.others], ['model.onnx', 5 + 513 + 4, ['model.onnx.data', long]]);
    assert.deepEqual(await packed(upload.body), ['model.onnx: graph', `model.onnx.data: ${'w'.repeat(513)}`, `${long}: long`]);
  });

  test('that leave open which is the model are rejected by name', () => {
    assert.throws(
      () => modelUploadOf([chosen('a.onnx', ''), chosen('b/c.onnx', '')]),
      (error) => {
        assert(error instanceof WrongFiles);
        assert.match(error.message, /got a\.onnx, b\/c\.onnx\. Choose the files of one model/);
        return true;
      },
    );
  });

  test('of a Python model are packed under the name of their folder', async () => {
    const upload = modelUploadOf([chosen('stars/model.py', 'code'), chosen('stars/words.json', '{}')]);
    assert.equal(upload.name, 'stars.tar');
    assert(isPythonUpload(upload));
    assert.deepEqual(await packed(upload.body), ['stars/model.py: code', 'stars/words.json: {}']);
    assert(!isPythonUpload({ name: 'digits.onnx' }));
  });
});

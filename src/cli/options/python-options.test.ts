import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { addPythonOptions, checkPythonOptions, requestOption } from './python-options.ts';

function inputsOf(...specs: readonly string[]): unknown {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addPythonOptions(command);
  command.parse(
    specs.flatMap((spec) => ['--input', spec]),
    { from: 'user' },
  );
  return command.opts()['input'];
}

test('--input is a name, a datatype and a shape, and may be repeated', () => {
  assert.deepEqual(inputsOf('x FP32 [-1,30]', ' ids  INT64 [ -1, 4, 5 ]'), [
    { name: 'x', datatype: 'FP32', shape: [-1, 30] },
    { name: 'ids', datatype: 'INT64', shape: [-1, 4, 5] },
  ]);
  assert.equal(inputsOf(), undefined);
  for (const wrong of ['x', 'x FP32', 'x float32 [-1,30]', 'x FP32 -1,30', 'x FP32 []', 'x FP32 [n,30]']) {
    assert.throws(() => inputsOf(wrong), /expected a name, a datatype and a shape/, wrong);
  }
});

test('the next command fits what the model takes', () => {
  const python = {
    kind: 'python',
    environment: { name: null, lock: null },
    flavour: 'code',
    entry: 'model.py',
    modules: [] as string[],
  } as const;
  const hint = (form: 'tensors' | 'json' | 'bytes' | 'stream'): string => requestOption({ runtime: { ...python, form } });
  assert.deepEqual(
    [hint('tensors'), hint('json'), hint('bytes'), hint('stream')],
    ['--file ROWS.csv', '--file ROWS.jsonl', '--file BODY --type CONTENT-TYPE', '--data JSON'],
  );
  assert.equal(requestOption({ runtime: { kind: 'onnx' } }), '--file ROWS.csv');
});

test('imports are accepted only by an approval, and options of an opening only for files', async () => {
  const file = { kind: 'file', path: 'm.pkl', bytes: 1, data: [] } as const;
  const version = { kind: 'version', group: 'm', version: 1 } as const;
  await checkPythonOptions({ acceptImports: true, approve: true }, file);
  await assert.rejects(checkPythonOptions({ acceptImports: true, approve: false }, file), { message: /add --approve, or remove it/ });
  await assert.rejects(checkPythonOptions({ sample: 'rows.csv', approve: false }, version), {
    message: /--sample is only valid for a file/,
  });
});

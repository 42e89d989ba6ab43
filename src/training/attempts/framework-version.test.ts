import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { frameworkNote, namedFramework } from './framework-version.ts';

const ecr = '683313688378.dkr.ecr.us-east-1.amazonaws.com';

test('images of AWS name a framework and its version, other images do not', () => {
  for (const [image, name, version] of [
    [`${ecr}/sagemaker-scikit-learn:1.2-1-cpu-py3`, 'scikit-learn', '1.2'],
    [`${ecr}/sagemaker-xgboost:1.7-1`, 'xgboost', '1.7'],
    [`${ecr}/pytorch-training:2.1.0-cpu-py310`, 'torch', '2.1.0'],
    [`${ecr}/huggingface-pytorch-training:2.1-transformers4.36-gpu-py310`, 'torch', '2.1'],
    [`${ecr}/tensorflow-training:2.13`, 'tensorflow', '2.13'],
  ] as const) {
    assert.deepEqual(namedFramework(image), { name, version });
  }
  for (const image of [null, 'penstock/python:sklearn', `${ecr}/other:1.2`, `${ecr}/pytorch-training:latest`, 'a:1.2/b'])
    assert.equal(namedFramework(image), null);
});

test('a job notes that its environment has another version of the framework than the image names', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-framework-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const packages = join(folder, 'lib/python3.11/site-packages');
  const python = join(folder, 'bin/python');
  const note = (tag: string): Promise<string | null> => frameworkNote(`${ecr}/sagemaker-scikit-learn:${tag}`, 'sklearn', python);
  assert.equal(await note('1.2-1'), 'the image names scikit-learn 1.2, and environment sklearn has no scikit-learn: results may differ');
  for (const name of ['scikit_learn-1.7.2.dist-info', 'scikit_learn_extra-1.2.dist-info'])
    mkdirSync(join(packages, name), { recursive: true });
  assert.equal(await note('1.2-1'), 'the image names scikit-learn 1.2, and environment sklearn has 1.7.2: results may differ');
  assert.equal(await note('1.7-1'), null);
  assert.equal(await note('1.70-1'), 'the image names scikit-learn 1.70, and environment sklearn has 1.7.2: results may differ');
});

/**
 * Models of each further library answer through the Python worker as the library itself does: `npm run test:python`. The environments
 * take up to 4 GB; without disk, Python or a package registry, tests are skipped with the reason.
 */
import assert from 'node:assert/strict';
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { runUnittest } from './unittest-run.ts';

const libraries = [
  { name: 'LightGBM and CatBoost', requirements: 'boosting', module: 'test_boosting' },
  { name: 'torch', requirements: 'torch', module: 'test_torch' },
  { name: 'MLflow 2', requirements: 'mlflow-2', module: 'test_mlflow' },
  { name: 'MLflow 3', requirements: 'mlflow-3', module: 'test_mlflow' },
  { name: 'TensorFlow and Keras', requirements: 'tensorflow', module: 'test_tensorflow' },
] as const;

/** Environments and the packages that they are made of. */
const freeGiBMin = 8;
const { bavail, bsize } = statfsSync(import.meta.dirname);
const freeGiB = (bavail * bsize) / 2 ** 30;
const skip = freeGiB < freeGiBMin && `the environments need ${freeGiBMin} GiB of disk, ${freeGiB.toFixed(1)} GiB are free`;

for (const { name, requirements, module } of libraries) {
  test(`${name}: results equal the library's own, bit for bit`, { skip }, async (t) => {
    const environment = await pythonEnvironment('penstock-python', join(import.meta.dirname, `requirements-${requirements}.txt`));
    if (typeof environment === 'string') return t.skip(environment);
    const { isPassed, output, summary } = runUnittest(environment, [`library_tests.${module}`]);
    assert(isPassed, output);
    t.diagnostic(summary);
  });
}

/** Training, processing and pipelines with the unmodified SageMaker Python SDK, in both of its generations: `npm run test:sdk`. */
import { chmodSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../end-to-end/server.ts';
import { AwsFixture } from './aws-fixture.ts';
import { withoutTelemetry } from './environments.ts';
import { sklearnEnvironment, torchEnvironment } from './python-archives.ts';

const rows = join(import.meta.dirname, '../../../assets/catalogue/digits_test.csv');
const source = join(import.meta.dirname, 'python/training_source');
/** PyTorch's script is that of the example. */
const torchSource = join(import.meta.dirname, '../../../examples/training/pytorch');

for (const [generation, file] of [
  ['sagemaker-3.27', 'training_sdk_3.py'],
  ['sagemaker-2.257', 'training_sdk_2.py'],
  ['sagemaker-2.257', 'processing_sdk_2.py'],
  ['sagemaker-2.257', 'pipeline_sdk_2.py'],
] as const) {
  test(`${generation}, ${file}`, { timeout: 880_000 }, async (t) => {
    const sklearn = await sklearnEnvironment();
    if (typeof sklearn === 'string') return t.skip(sklearn);
    const torch = await torchEnvironment();
    const hasTorch = typeof torch !== 'string';
    if (!hasTorch) t.diagnostic(`PyTorch runs a script without torch: ${torch}`);
    const [python, pytorch] = [sklearn, hasTorch ? torch : sklearn].map(({ bin }) => {
      chmodSync(join(realpathSync(bin), '..'), 0o755); // jobs have users of their own
      return { python: join(bin, 'python') };
    });
    const dataDir = temporaryDirectory();
    const config = join(dataDir, 'sdk.yaml');
    writeFileSync(config, withoutTelemetry);
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments: { default: python, sklearn: python, pytorch } }));
    const aws = await AwsFixture.open({ dataDir });
    try {
      await aws.python(t, generation, file, { config, rows, source, torch: hasTorch ? torchSource : '' });
    } finally {
      await aws.close();
      rmSync(dataDir, { recursive: true });
    }
  });
}

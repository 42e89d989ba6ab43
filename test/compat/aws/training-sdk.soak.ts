/** Training with the unmodified SageMaker Python SDK, in both of its generations: `npm run test:sdk`. */
import { chmodSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../end-to-end/server.ts';
import { AwsFixture } from './aws-fixture.ts';
import { sdkGenerations, withoutTelemetry } from './environments.ts';
import { sklearnEnvironment } from './python-archives.ts';

const rows = join(import.meta.dirname, '../../../assets/catalogue/digits_test.csv');
const source = join(import.meta.dirname, 'python/training_source');

for (const generation of sdkGenerations) {
  test(generation, { timeout: 590_000 }, async (t) => {
    const environment = await sklearnEnvironment();
    if (typeof environment === 'string') return t.skip(environment);
    const python = join(environment.bin, 'python');
    chmodSync(join(realpathSync(environment.bin), '..'), 0o755); // jobs have users of their own
    const dataDir = temporaryDirectory();
    const config = join(dataDir, 'sdk.yaml');
    writeFileSync(config, withoutTelemetry);
    // The scripts of the tests need no torch.
    const environments = { default: { python }, sklearn: { python }, pytorch: { python } };
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments }));
    const aws = await AwsFixture.open({ dataDir });
    try {
      const files = generation === 'sagemaker-3.27' ? ['training_sdk_3.py'] : ['training_sdk_2.py', 'processing_sdk_2.py'];
      for (const file of files) await aws.python(t, generation, file, { config, rows, source });
    } finally {
      await aws.close();
      rmSync(dataDir, { recursive: true });
    }
  });
}

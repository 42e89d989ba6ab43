/** The unmodified SageMaker Python SDK, in both of its generations. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../end-to-end/server.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { sdkGenerations, withoutTelemetry } from './environments.ts';

for (const generation of sdkGenerations) {
  test(generation, { timeout: 590_000 }, async (t) => {
    const folder = temporaryDirectory();
    const config = join(folder, 'config.yaml');
    writeFileSync(config, withoutTelemetry);
    const aws = await AwsFixture.open();
    try {
      const file = generation === 'sagemaker-3.27' ? 'sagemaker_sdk_3.py' : 'sagemaker_sdk_2.py';
      await aws.python(t, generation, file, { model: modelPath('digits_mlp'), config });
    } finally {
      await aws.close();
      rmSync(folder, { recursive: true });
    }
  });
}

/** Python models by the unmodified SageMaker Python SDK, in both of its generations. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sdkGenerations, withoutTelemetry } from './environments.ts';
import { pythonArchives, sklearnEnvironment, withPythonServer } from './python-archives.ts';

for (const generation of sdkGenerations) {
  test(generation, { timeout: 590_000 }, async (t) => {
    const environment = await sklearnEnvironment();
    if (typeof environment === 'string') return t.skip(environment);
    const folder = pythonArchives(environment);
    const config = join(folder, 'config.yaml');
    writeFileSync(config, withoutTelemetry);
    const file = generation === 'sagemaker-3.27' ? 'python_model_sdk_3.py' : 'python_model_sdk_2.py';
    try {
      await withPythonServer(environment, (aws) => aws.python(t, generation, file, { folder, config }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

/** Training, tuning and processing jobs and pipelines created and observed by AWS's own clients. Their scripts need the standard library of Python alone. */
import { chmodSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../end-to-end/server.ts';
import { modelPath } from '../../models/index.ts';
import { AwsFixture } from './aws-fixture.ts';
import { pythonEnvironment } from './environments.ts';

// The older generation does not know DeleteTrainingJob, and its waiters are not marked.
for (const file of ['training_checks.py', 'tuning_checks.py', 'processing_checks.py', 'pipeline_checks.py', 'pipeline_step_checks.py']) {
  const generation = 'boto3-1.43';
  test(`${generation}, ${file}`, { timeout: 500_000 }, async (t) => {
    const environment = await pythonEnvironment(generation);
    if (typeof environment === 'string') return t.skip(environment);
    chmodSync(join(realpathSync(environment.bin), '..'), 0o755); // jobs have users of their own
    const dataDir = temporaryDirectory();
    const python = join(environment.bin, 'python');
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments: { python: { python } } }));
    const aws = await AwsFixture.open({ dataDir });
    try {
      await aws.python(t, generation, file, { aws: join(environment.bin, 'aws'), onnx: modelPath('digits_mlp') });
    } finally {
      await aws.close();
      rmSync(dataDir, { recursive: true });
    }
  });
}

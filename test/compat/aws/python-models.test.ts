/**
 * Python models by boto3: a scikit-learn model as a joblib file, and as an archive of each kind of SageMaker's script mode. tritonclient
 * calls the joblib file as well, because the server and the opened model are there.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StatusBody } from '../../../src/api/index.ts';
import type { Server } from '../../end-to-end/server.ts';
import { clientChecks } from '../oip/oip-fixture.ts';
import { generations, pythonEnvironment } from './environments.ts';
import { pythonArchives, sklearnEnvironment, withPythonServer } from './python-archives.ts';

for (const generation of generations) {
  test(generation, { timeout: 500_000 }, async (t) => {
    const environment = await sklearnEnvironment();
    if (typeof environment === 'string') return t.skip(environment);
    const client = await pythonEnvironment(generation);
    if (typeof client === 'string') return t.skip(client);
    const folder = pythonArchives(environment);
    try {
      await withPythonServer(environment, async (aws) => {
        await aws.python(t, generation, 'python_model_checks.py', { folder });
        if (generation === generations[0]) await t.test('tritonclient', (each) => byTritonclient(each, aws.server, folder));
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

/** The version `joblib/1` was registered and approved by boto3. */
async function byTritonclient(t: TestContext, server: Server, folder: string): Promise<void> {
  await server.callWell('POST', '/endpoints', { name: 'iris', variants: [{ model: 'joblib/1' }] });
  await server.inService('iris');
  const { grpc } = await server.callWell<StatusBody>('GET', '/status');
  const answers = join(folder, 'answers.json');
  await clientChecks(t, 'tritonclient', 'triton_joblib_checks.py', { http: new URL(server.url).host, grpc: String(grpc), answers });
}

/**
 * What a user of AWS's tools does first: `eval "$(penstock env)"`, then asks who it is. Here over https, with an account
 * and a region of the server's own.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { penstock, temporaryDirectory } from '../../end-to-end/server.ts';
import { checkResults } from '../check-results.ts';
import { awscli, generations, pythonEnvironment } from './environments.ts';
import { AwsHouse, type Ran } from './house.ts';

const account = '123456789012';
const region = 'eu-west-3';
const python = join(import.meta.dirname, 'python');

const whoAmI = `
  import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
  console.log((await new STSClient({}).send(new GetCallerIdentityCommand({}))).Arn);`;

describe('after eval "$(penstock env)"', () => {
  const dataDir = temporaryDirectory();
  let aws: AwsHouse;
  before(async () => {
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ awsAccount: account, awsRegion: region, tls: 'self-signed' }));
    aws = await AwsHouse.open({ dataDir });
  });
  after(async () => {
    await aws.close();
    rmSync(dataDir, { recursive: true });
  });

  /** Runs a program in a shell that got its settings so. */
  const run = (...command: readonly string[]): Promise<Ran> =>
    aws.run(['sh', '-c', 'eval "$("$1" env --data-dir "$2")" && shift 2 && exec "$@"', 'sh', penstock, dataDir, ...command]);
  const arn = (): string => `arn:aws:iam::${account}:user/${aws.credentials.accessKeyId}`;

  test('JavaScript knows who it is', async () => {
    const { stdout, stderr } = await run(process.execPath, '--input-type=module', '--eval', whoAmI);
    assert.equal(stdout.trim(), arn(), stderr);
  });

  for (const generation of generations) {
    test(generation, async (t: TestContext) => {
      const environment = await pythonEnvironment(generation);
      if (typeof environment === 'string') return t.skip(environment);
      const given = [`arn=${arn()}`, `region=${region}`];
      const ran = await run(join(environment.bin, 'python'), join(python, 'checks.py'), join(python, 'identity_checks.py'), ...given);
      const results = checkResults(ran.stdout);
      for (const { promise, trouble } of results) await t.test(promise, () => assert.equal(trouble, null));
      assert(ran.code === 0 && results.length > 0, ran.stderr);
    });
  }

  for (const major of [1, 2] as const) {
    test(`awscli ${major} knows who it is, and what is not served`, async (t: TestContext) => {
      const command = await awscli(major);
      if (typeof command === 'string') return t.skip(command);
      const asked = await run(...command, 'sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text');
      assert.equal(asked.stdout.trim(), arn(), asked.stderr);
      const refused = await run(...command, 'sagemaker', 'list-training-jobs');
      assert.match(refused.stderr, /\(UnknownOperationException\).*sagemaker has no operation 'ListTrainingJobs' here: supported are/);
    });
  }
});

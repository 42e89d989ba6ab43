/**
 * The first steps of a user of AWS's tools: `eval "$(penstock env)"`, then GetCallerIdentity. Here over https, with a configured account
 * and region.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { penstock, temporaryDirectory } from '../../end-to-end/server.ts';
import { checkResults } from '../check-results.ts';
import { AwsFixture, type Ran } from './aws-fixture.ts';
import { awscli, generations, pythonEnvironment } from './environments.ts';

const account = '123456789012';
const region = 'eu-west-3';
const python = join(import.meta.dirname, 'python');

const whoAmI = `
  import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
  console.log((await new STSClient({}).send(new GetCallerIdentityCommand({}))).Arn);`;

describe('after eval "$(penstock env)"', () => {
  const dataDir = temporaryDirectory();
  let aws: AwsFixture;
  before(async () => {
    writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ awsAccount: account, awsRegion: region, tls: 'self-signed' }));
    aws = await AwsFixture.open({ dataDir });
  });
  after(async () => {
    await aws.close();
    rmSync(dataDir, { recursive: true });
  });

  /** Runs a program in a shell with these settings. */
  const run = (...command: readonly string[]): Promise<Ran> =>
    aws.run(['sh', '-c', 'eval "$("$1" env --data-dir "$2")" && shift 2 && exec "$@"', 'sh', penstock, dataDir, ...command]);
  const arn = (): string => `arn:aws:iam::${account}:user/${aws.credentials.accessKeyId}`;

  test('JavaScript gets its identity', async () => {
    const { stdout, stderr } = await run(process.execPath, '--input-type=module', '--eval', whoAmI);
    assert.equal(stdout.trim(), arn(), stderr);
  });

  for (const generation of generations) {
    test(generation, async (t: TestContext) => {
      const environment = await pythonEnvironment(generation);
      if (typeof environment === 'string') return t.skip(environment);
      const provided = [`arn=${arn()}`, `region=${region}`];
      const ran = await run(join(environment.bin, 'python'), join(python, 'checks.py'), join(python, 'identity_checks.py'), ...provided);
      const results = checkResults(ran.stdout);
      for (const { promise, trouble } of results) await t.test(promise, () => assert.equal(trouble, null));
      assert(ran.code === 0 && results.length > 0, ran.stderr);
    });
  }

  for (const major of [1, 2] as const) {
    test(`awscli ${major} gets its identity, and an error for an unsupported operation`, async (t: TestContext) => {
      const command = await awscli(major);
      if (typeof command === 'string') return t.skip(command);
      const requested = await run(...command, 'sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text');
      assert.equal(requested.stdout.trim(), arn(), requested.stderr);
      const rejected = await run(...command, 'sagemaker', 'list-notebook-instances');
      assert.match(rejected.stderr, /\(UnknownOperationException\).*sagemaker has no operation 'ListNotebookInstances': expected one of/);
    });
  }
});

/** Runs the awscli example. Each major version has its own test file: 40 starts of awscli take up to two minutes on a busy machine. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AwsFixture } from './aws-fixture.ts';
import { awscli } from './environments.ts';

const folder: string = join(import.meta.dirname, '../../../examples/sagemaker');

/** A program of `examples/sagemaker` and its expected output. */
export function example(name: string, program: string): { readonly path: string; readonly output: string } {
  return { path: join(folder, name, program), output: readFileSync(join(folder, name, 'expected-output.txt'), 'utf8') };
}

export function testAwscliExample(major: 1 | 2): void {
  test(`the lifecycle example runs with awscli ${major}`, { timeout: 500_000 }, async (t) => {
    const command = await awscli(major);
    if (typeof command === 'string') return t.skip(command);
    const fixture = await AwsFixture.open();
    try {
      const { path, output } = example('awscli', 'lifecycle.sh');
      const ran = await fixture.run(['sh', path], { AWSCLI: command.join(' ') });
      assert.deepEqual(ran, { code: 0, stdout: output, stderr: '' });
    } finally {
      await fixture.close();
    }
  });
}

/** Runs the example for awscli. A file of tests each: forty starts of awscli take a minute or two on a busy machine. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { awscli } from './environments.ts';
import { AwsHouse } from './house.ts';

const folder: string = join(import.meta.dirname, '../../../examples/sagemaker');

/** A program of `examples/sagemaker`, and what it must print. */
export function example(name: string, program: string): { readonly path: string; readonly output: string } {
  return { path: join(folder, name, program), output: readFileSync(join(folder, name, 'expected-output.txt'), 'utf8') };
}

export function testAwscliExample(major: 1 | 2): void {
  test(`the life of a model with awscli ${major}`, { timeout: 175_000 }, async (t) => {
    const command = await awscli(major);
    if (typeof command === 'string') return t.skip(command);
    const house = await AwsHouse.open();
    try {
      const { path, output } = example('awscli', 'lifecycle.sh');
      const ran = await house.run(['sh', path], { AWSCLI: command.join(' ') });
      assert.deepEqual(ran, { code: 0, stdout: output, stderr: '' });
    } finally {
      await house.close();
    }
  });
}

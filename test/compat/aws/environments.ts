/** The Python environments of the AWS clients. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonEnvironment as environmentOf, type PythonEnvironment } from '../python-environment.ts';

const run = promisify(execFile);

/** The generations of AWS's Python clients that are tested. */
export const generations = ['boto3-1.43', 'boto3-1.37'] as const;
export type Generation = (typeof generations)[number];

/** The environment, or why there is none. */
export function pythonEnvironment(generation: Generation): Promise<PythonEnvironment | string> {
  return environmentOf('penstock-aws', join(import.meta.dirname, 'python', `requirements-${generation}.txt`));
}

/** The command of an awscli, or why there is none: 1 from the environment of boto3 1.43, 2 as the machine has it. */
export async function awscli(major: 1 | 2): Promise<readonly string[] | string> {
  if (major === 1) {
    const environment = await pythonEnvironment('boto3-1.43');
    return typeof environment === 'string' ? environment : [join(environment.bin, 'python'), join(environment.bin, 'aws')];
  }
  // An awscli 1 may stand before it on the path.
  for (const command of ['aws', '/usr/bin/aws', '/usr/local/bin/aws']) {
    const version = await run(command, ['--version']).then(
      ({ stdout }) => stdout,
      () => '',
    );
    if (version.startsWith('aws-cli/2.')) return [command];
  }
  return 'there is no awscli 2 here';
}

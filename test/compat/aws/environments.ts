/** The Python environments of the AWS clients. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonEnvironment as environmentOf, type PythonEnvironment } from '../python-environment.ts';

const run = promisify(execFile);

export type Generation = 'boto3-1.43' | 'boto3-1.37';

/** The tested generations of AWS's Python clients: the newest one with every change, the older one too with `npm run test:long`. */
export const generations: readonly Generation[] = process.env.PENSTOCK_CLIENTS === 'all' ? ['boto3-1.43', 'boto3-1.37'] : ['boto3-1.43'];

/** The tested generations of the SageMaker Python SDK, which bring their own boto3. */
export const sdkGenerations = ['sagemaker-3.27', 'sagemaker-2.257'] as const;
export type SdkGeneration = (typeof sdkGenerations)[number];

/** A configuration of the SDK: its telemetry would call AWS. */
export const withoutTelemetry = 'SchemaVersion: "1.0"\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n';

/** The environment, or the reason for skipping. */
export function pythonEnvironment(generation: Generation | SdkGeneration): Promise<PythonEnvironment | string> {
  const requirements = join(import.meta.dirname, 'python', `requirements-${generation}.txt`);
  // All that the SDK depends on takes a gigabyte, most of it for training.
  return environmentOf('penstock-aws', requirements, { isComplete: generation.startsWith('sagemaker-') });
}

/** By version. Each start of an awscli takes half a second of the processor. */
const found = new Map<1 | 2, Promise<readonly string[] | string>>();

/** The command of an awscli, or the reason for skipping. Version 1 is in the environment of boto3 1.43, version 2 must be installed. */
export function awscli(major: 1 | 2): Promise<readonly string[] | string> {
  const command = found.get(major) ?? findAwscli(major);
  found.set(major, command);
  return command;
}

async function findAwscli(major: 1 | 2): Promise<readonly string[] | string> {
  if (major === 1) {
    const environment = await pythonEnvironment('boto3-1.43');
    return typeof environment === 'string' ? environment : [join(environment.bin, 'python'), join(environment.bin, 'aws')];
  }
  // An awscli 1 may come first on the path.
  for (const command of ['aws', '/usr/bin/aws', '/usr/local/bin/aws']) {
    const version = await run(command, ['--version']).then(
      ({ stdout }) => stdout,
      () => '',
    );
    if (version.startsWith('aws-cli/2.')) return [command];
  }
  return 'awscli 2 is not installed';
}

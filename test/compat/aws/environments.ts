/**
 * The Python environments of the AWS clients. Each is made once, from pinned requirements, in a folder that no commit
 * sees; a machine without Python or a package registry skips what needs it, and says why.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../../node_modules/.cache/penstock-aws');
const installMsMax = 150_000;

/** The generations of AWS's Python clients that are tested. */
export const generations = ['boto3-1.43', 'boto3-1.37'] as const;
export type Generation = (typeof generations)[number];

export interface PythonEnvironment {
  /** Its folder of programs. */
  readonly bin: string;
}

const made = new Map<Generation, Promise<PythonEnvironment | string>>();

/** The environment, or why there is none. */
export function pythonEnvironment(generation: Generation): Promise<PythonEnvironment | string> {
  let environment = made.get(generation);
  if (environment === undefined) {
    environment = make(generation);
    made.set(generation, environment);
  }
  return environment;
}

/**
 * Files of tests run at the same time and may both find nothing. Each makes an environment of its own, and one of them
 * becomes that of all by a link, which is made at a stroke.
 */
async function make(generation: Generation): Promise<PythonEnvironment | string> {
  const requirements = join(import.meta.dirname, 'python', `requirements-${generation}.txt`);
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const link = join(cache, `${generation}-${digest}`);
  if (existsSync(link)) return { bin: join(link, 'bin') };
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(`${link}-`);
  try {
    await run('python3', ['-m', 'venv', own]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements];
    await run(join(own, 'bin/python'), pip, { timeout: installMsMax });
    symlinkSync(own, link);
    return { bin: join(link, 'bin') };
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (existsSync(link)) return { bin: join(link, 'bin') };
    return `${generation} cannot be installed here: ${String(error).split('\n').slice(0, 3).join(' ')}`;
  }
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

/** A server with a scikit-learn environment, and the archives of `python/python_archives.py` made with it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporaryDirectory } from '../../end-to-end/server.ts';
import { type PythonEnvironment, pythonEnvironment } from '../python-environment.ts';
import { AwsFixture } from './aws-fixture.ts';

/** The environment, or the reason for skipping. */
export function sklearnEnvironment(): Promise<PythonEnvironment | string> {
  return pythonEnvironment('penstock-python', join(import.meta.dirname, '../../python/requirements-sklearn.txt'));
}

/** torch without CUDA, which is on this machine or in no registry: then the reason for skipping. */
export function torchEnvironment(): Promise<PythonEnvironment | string> {
  return pythonEnvironment('penstock-python', join(import.meta.dirname, '../../python/requirements-training-torch.txt'));
}

/** A folder with the archives. */
export function pythonArchives({ bin }: PythonEnvironment): string {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-python-archives-'));
  chmodSync(join(realpathSync(bin), '..'), 0o755); // workers have users of their own
  const made = spawnSync(join(bin, 'python'), [join(import.meta.dirname, 'python/python_archives.py'), folder], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  return folder;
}

/** Runs `use` with a server whose Python models run in the environment. */
export async function withPythonServer({ bin }: PythonEnvironment, use: (aws: AwsFixture) => Promise<void>): Promise<void> {
  const dataDir = temporaryDirectory();
  writeFileSync(join(dataDir, 'config.json'), JSON.stringify({ environments: { default: { python: join(bin, 'python') } } }));
  const aws = await AwsFixture.open({ dataDir });
  try {
    await use(aws);
  } finally {
    await aws.close();
    rmSync(dataDir, { recursive: true });
  }
}

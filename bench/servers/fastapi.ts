/** FastAPI + onnxruntime, the server most people would write instead. Its packages live in a virtual environment here. */
import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ServerProcess } from './server-process.ts';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const environment = here('../.cache/fastapi');
const marker = `${environment}/bin/uvicorn`;

/** Null once it can run, else why it cannot. */
export async function prepareFastapi(): Promise<string | null> {
  if (existsSync(marker)) return null;
  try {
    await promisify(execFile)('python3', ['-m', 'venv', environment]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', here('./fastapi/requirements.txt')];
    await promisify(execFile)(`${environment}/bin/python`, pip);
    return null;
  } catch (error) {
    rmSync(environment, { recursive: true, force: true });
    return `python3 with venv and the packages of requirements.txt are needed: ${String(error).split('\n').slice(0, 3).join(' ')}`;
  }
}

export async function startFastapi(modelPath: string, workers: number): Promise<ServerProcess> {
  const server = await ServerProcess.start({
    command: marker,
    args: ['server:app', '--app-dir', here('./fastapi'), '--port', '0', '--workers', String(workers), '--no-access-log'],
    env: { MODEL_PATH: modelPath },
    readyOn: 'stderr',
    ready: /Uvicorn running on (http:\S+)/,
  });
  await answers(new URL('/openapi.json', server.url));
  return server;
}

/** With several workers uvicorn says that it runs before they do. */
async function answers(url: URL): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const response = await fetch(url).catch(() => null);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no answer from ${url.href}`);
}

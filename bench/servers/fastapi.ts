/** FastAPI + onnxruntime, the server most teams would write themselves. Its packages are in a virtual environment. */
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.ts';
import { ServerProcess } from './server-process.ts';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const environment = () => pythonEnvironment('fastapi', new URL('./fastapi/requirements.txt', import.meta.url));

/** Null once it can run, otherwise the reason why it cannot. */
export async function prepareFastapi(): Promise<string | null> {
  return (await environment()).missing;
}

/** `models`: how many times it holds the model, for measuring memory. */
export async function startFastapi(modelPath: string, workers: number, models = 1): Promise<ServerProcess> {
  const server = await ServerProcess.start({
    command: `${(await environment()).directory}/bin/uvicorn`,
    args: ['server:app', '--app-dir', here('./fastapi'), '--port', '0', '--workers', String(workers), '--no-access-log'],
    env: { MODEL_PATH: modelPath, MODEL_COUNT: String(models) },
    readyOn: 'stderr',
    ready: /Uvicorn running on (http:\S+)/,
  });
  await untilResponding(new URL('/openapi.json', server.url));
  return server;
}

/** Waits for a response: with several workers, uvicorn reports that it is running before they are. */
async function untilResponding(url: URL): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    const response = await fetch(url).catch(() => null);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no response from ${url.href}`);
}

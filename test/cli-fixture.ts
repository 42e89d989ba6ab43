/** The command line as a user runs it, against a scripted server. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runCli } from '../src/cli/run-cli.ts';
import { SystemClock } from '../src/clock.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runAgainst(
  answer: RequestListener,
  argv: readonly string[],
  interrupted: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await runVerb(argv, { PENSTOCK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, interrupted);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

export async function runVerb(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  interrupted: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  let [stdout, stderr] = ['', ''];
  const code = await runCli(argv, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    stdin: (async function* () {})(),
    env,
    clock: new SystemClock(),
    version: '1.2.3',
    interrupted,
    up: () => Promise.resolve(0),
    quickstart: () => Promise.resolve(0),
  });
  return { code, stdout, stderr };
}

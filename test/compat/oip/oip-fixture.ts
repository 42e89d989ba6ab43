/** A Penstock server with the models of the conformance suite, and a runner of Python checks against it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { StatusBody } from '../../../src/api/index.ts';
import { penstock, plainEnvironment, Server } from '../../end-to-end/server.ts';
import { checkResults } from '../check-results.ts';
import { type PythonEnvironment, pythonEnvironment } from '../python-environment.ts';

const run = promisify(execFile);
const folder = join(import.meta.dirname, 'python');
const checksMsMax = 90_000;

export type Client = 'tritonclient' | 'kserve' | 'perf-analyzer';

export class OipFixture {
  readonly server: Server;
  /** `HOST:PORT`. */
  readonly grpc: string;

  private constructor(server: Server, grpc: string) {
    this.server = server;
    this.grpc = grpc;
  }

  static async open(flags: readonly string[] = []): Promise<OipFixture> {
    const server = await Server.start({ flags });
    try {
      const env = { ...plainEnvironment(), PENSTOCK_URL: server.url };
      await run(penstock, ['conformance', server.url, '--deploy', '--only', 'C1'], { env });
      const { grpc } = await server.callWell<StatusBody>('GET', '/status');
      assert(grpc !== null, 'gRPC is served');
      return new OipFixture(server, grpc);
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.server.end();
  }

  /** `HOST:PORT`, for clients that take no URL. */
  get address(): string {
    return new URL(this.server.url).host;
  }

  python(t: TestContext, client: Client, file: string, provided: Readonly<Record<string, string>>): Promise<void> {
    return clientChecks(t, client, file, provided);
  }
}

/** Runs a file of Python checks, each as a subtest. Skips the test if the client cannot be installed. */
export async function clientChecks(
  t: TestContext,
  client: Client,
  file: string,
  provided: Readonly<Record<string, string>>,
): Promise<void> {
  const environment = await clientEnvironment(client);
  if (typeof environment === 'string') return t.skip(environment);
  const pairs = Object.entries(provided).map(([name, value]) => `${name}=${value}`);
  const argv = [join(folder, 'checks.py'), join(folder, file), ...pairs];
  const { stdout, stderr } = await run(join(environment.bin, 'python'), argv, { timeout: checksMsMax });
  const results = checkResults(stdout);
  for (const { promise, trouble } of results) await t.test(promise, () => assert.equal(trouble, null));
  assert(results.length > 0, stderr);
}

export function clientEnvironment(client: Client): Promise<PythonEnvironment | string> {
  return pythonEnvironment('penstock-oip', join(folder, `requirements-${client}.txt`));
}

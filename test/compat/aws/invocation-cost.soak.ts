/** The server's extra CPU time of AWS's protocol over the Open Inference Protocol, most of it for the signature. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { test } from 'node:test';
import { sign } from '../../aws/signed-request.ts';
import { Server } from '../../end-to-end/server.ts';

const addedUsMax = 150;
const callsOfRun = 2000;
const rounds = 3;

const skip = !existsSync('/proc/self/stat') && 'CPU times require /proc';

test(`InvokeEndpoint adds at most ${addedUsMax} us of CPU time`, { skip, timeout: 120_000 }, async (t) => {
  const server = await Server.start();
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  t.after(async () => {
    agent.destroy();
    await server.end();
  });
  await server.deploy('digits', 'digits_mlp');
  const data = Array.from({ length: 64 }, (_, i) => ((i * 7919) % 16_000) / 1000);
  const body = JSON.stringify({ inputs: [{ name: 'pixels', shape: [1, 64], datatype: 'FP32', data }] }).padEnd(1024);
  const json = { 'content-type': 'application/json' };
  const [id = '', secret = ''] = server.adminKey.split(':');
  const oip = { path: '/v2/models/digits/infer', headers: { ...json, authorization: `Bearer ${server.adminKey}` } };
  const path = '/endpoints/digits/invocations';
  const aws = sign(server.url, { key: { id, secret }, service: 'sagemaker', path, headers: json, body });

  /** CPU microseconds per call of the server's threads, without its workers. */
  const cost = async (call: Pick<typeof aws, 'path' | 'headers'>): Promise<number> => {
    let remaining = callsOfRun;
    const before = processorMsOf(server.pid);
    const caller = async (): Promise<void> => {
      while (remaining-- > 0) assert.equal(await statusOf(server.url, agent, call, body), 200);
    };
    await Promise.all(Array.from({ length: 8 }, caller));
    return ((processorMsOf(server.pid) - before) * 1000) / callsOfRun;
  };

  // The first round is a warm-up. Other load on the machine only adds time, so the minimum counts.
  const added: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const plain = await cost(oip);
    const signed = await cost(aws);
    t.diagnostic(`Open Inference Protocol ${plain.toFixed(0)} us, InvokeEndpoint ${signed.toFixed(0)} us`);
    if (round > 0) added.push(signed - plain);
  }
  assert(Math.min(...added) <= addedUsMax, `it adds ${added.map((us) => us.toFixed(0)).join(', ')} us`);
});

/** CPU time of the process's own threads. A tick is 10 ms on every Linux that Node supports. */
function processorMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function statusOf(
  url: string,
  agent: Agent,
  { path, headers }: { readonly path: string; readonly headers: Readonly<Record<string, string>> },
  body: string,
): Promise<number> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const options = { hostname, port, agent, method: 'POST', path, headers: { ...headers, 'content-length': String(body.length) } };
    const call = request(options, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

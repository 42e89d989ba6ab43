/**
 * `npm run soak -- [--minutes 5]`: keeps a server under full load and checks that its memory stays flat. Fails if the gateway grows by more
 * than 5 % in the second half: caches fill up at the beginning, but a leak continues.
 */
import { fileURLToPath } from 'node:url';
import { readCommandLine } from '../test/command-line.ts';
import { runLoad } from './load/load.ts';
import { jsonRequests } from './overhead/requests.ts';
import { Platform } from './servers/platform.ts';
import { rssMiBOf } from './servers/process-tree.ts';

const roundMs = 20_000;
const growthMax = 1.05;

const { values } = readCommandLine({ command: 'npm run soak --', flags: { minutes: 5 } });
const rounds = Math.ceil((values.minutes * 60_000) / roundMs);

const platform = new Platform();
try {
  await platform.start();
  await platform.deploy({
    modelPath: fileURLToPath(new URL('../assets/catalogue/digits_mlp.onnx', import.meta.url)),
    name: 'digits',
    objective: 'p95<=50ms',
  });
  const { server } = platform;
  const requests = jsonRequests(server.url, 'digits');
  const { hostname: host, port } = server.url;
  const sizesMiB: number[] = [];
  let answers = 0;
  for (let i = 0; i < rounds; i++) {
    const shape = { kind: 'closed', concurrency: 64, warmUpMs: 0, measureMs: roundMs } as const;
    const report = await runLoad({ host, port: Number(port), requests, shape });
    const failures = Object.keys(report.failures).length;
    if (failures > 0) throw new Error(`requests failed: ${JSON.stringify(report.failures)}`);
    answers += report.answers;
    sizesMiB.push(rssMiBOf(server.pid));
    console.log(`${answers.toLocaleString('en-US')} responses: gateway memory ${(sizesMiB.at(-1) as number).toFixed(0)} MiB`);
  }
  const growth = (sizesMiB.at(-1) as number) / (sizesMiB[Math.floor((rounds - 1) / 2)] as number);
  console.log(`memory growth in the second half: ${((growth - 1) * 100).toFixed(1)} %`);
  if (growth > growthMax) process.exitCode = 1;
} finally {
  await platform.close();
}

/** `npm run bench -- gateways`: rate and processor time by request with one process and with two gateway processes. */
import { modelPath } from '../../test/models/index.ts';
import { type LoadOptions, runLoad } from '../load/load.ts';
import { commit, machine } from '../machine.ts';
import { jsonRequests } from '../overhead/requests.ts';
import { writeResults } from '../results.ts';
import { Platform } from '../servers/platform.ts';
import { cpuMsByRole, mainThreadCpuMsOf } from '../servers/process-tree.ts';
import { connectionCounts, type GatewayFigures, gatewaysTable } from './report.ts';

/** The compiler has optimized the path of a request by then. On a busy machine that takes more than some seconds. */
const warmUpAnswers = 40_000;
const warmUpMsMax = 30_000;

export async function gatewaysBench({ rounds, seconds, isDry }: { rounds: number; seconds: number; isDry: boolean }): Promise<void> {
  const measured: GatewayFigures[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const gateways of [1, 2]) {
      console.error(`round ${round} of ${rounds}: ${gateways} gateway process${gateways === 1 ? '' : 'es'}`);
      measured.push(...(await measure(gateways, seconds * 1000)));
    }
  }
  const results = { at: new Date().toISOString(), commit: commit(), machine: machine(), measured };
  console.log(gatewaysTable(results));
  if (!isDry) writeResults('gateways', results, gatewaysTable(results));
}

async function warmUp(target: Omit<LoadOptions, 'shape'>): Promise<void> {
  let answers = 0;
  for (const endMs = performance.now() + warmUpMsMax; answers < warmUpAnswers && performance.now() < endMs; ) {
    answers += (await runLoad({ ...target, shape: { kind: 'closed', concurrency: 64, warmUpMs: 0, measureMs: 3000 } })).answers;
  }
}

async function measure(gateways: number, measureMs: number): Promise<GatewayFigures[]> {
  const platform = new Platform({ PENSTOCK_GATEWAYS: String(gateways) });
  try {
    await platform.start();
    await platform.deploy({ modelPath: modelPath('digits_mlp'), name: 'digits', objective: 'p95<=50ms' });
    const { url, pid } = platform.server;
    const target = { host: url.hostname, port: Number(url.port), requests: jsonRequests(url, 'digits') };
    const figures: GatewayFigures[] = [];
    await warmUp(target);
    for (const concurrency of connectionCounts.toReversed()) {
      const before = { ...cpuMsByRole(pid), homeThread: mainThreadCpuMsOf(pid) };
      const { answers, ratePerSecond, latencyMs } = await runLoad({
        ...target,
        shape: { kind: 'closed', concurrency, warmUpMs: 0, measureMs },
      });
      const after = { ...cpuMsByRole(pid), homeThread: mainThreadCpuMsOf(pid) };
      const us = (role: keyof typeof after): number => ((after[role] - before[role]) * 1000) / answers;
      const cpuUs = { home: us('home'), homeThread: us('homeThread'), gateways: us('gateways'), others: us('others') };
      figures.push({ gateways, concurrency, ratePerSecond, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, cpuUs });
    }
    return figures;
  } finally {
    await platform.close();
  }
}

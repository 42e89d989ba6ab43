/** `npm run bench -- from-zero`: latency of the first request to an endpoint without running functions, repeated. */
import { fileURLToPath } from 'node:url';
import { summarize } from '../load/latencies.ts';
import { commit, machine } from '../machine.ts';
import { jsonRequests } from '../overhead/requests.ts';
import { writeResults } from '../results.ts';
import { Platform } from '../servers/platform.ts';

const starts = 60;
/** Between two starts, so that the pool of warm workers is full again. */
const pauseMs = 1200;

export async function fromZero({ isDry }: { isDry: boolean }): Promise<void> {
  const platform = new Platform();
  try {
    await platform.start();
    const modelPath = fileURLToPath(new URL('../../assets/catalogue/digits_mlp.onnx', import.meta.url));
    await platform.deploy({ modelPath, name: 'digits', objective: 'p95<=50ms', flags: ['--serverless', '--keep-alive', '0s'] });
    const { url } = platform.server;
    const body = jsonRequests(url, 'digits')[0]?.toString('latin1').split('\r\n\r\n')[1] ?? '';
    const answeredMs: number[] = [];
    let failures = 0;
    for (let i = 0; i < starts; i++) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const sentMs = performance.now();
      const response = await fetch(new URL('/v2/models/digits/infer', url), { method: 'POST', body });
      await response.arrayBuffer();
      answeredMs.push(performance.now() - sentMs);
      if (response.status !== 200) failures++;
    }
    const { p50, p95, max } = summarize(answeredMs);
    const { cores, cpu, node } = machine();
    const at = new Date().toISOString();
    const text = `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}): ${starts} starts of \`digits-mlp\`, a warm worker each time, keep-alive 0 s: p50 ${p50.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms, at most ${max.toFixed(0)} ms, ${failures} errors.`;
    console.log(text);
    if (!isDry) writeResults('from-zero', { at, commit: commit(), machine: machine(), answeredMs, failures }, text);
  } finally {
    await platform.close();
  }
}

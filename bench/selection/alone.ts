/**
 * What a selection costs when one model suffices: digits-cnn at its real size, chosen by a selection, against the same model deployed as a
 * version. A second plain endpoint shows how much two equal endpoints differ on this machine.
 */
import { fileURLToPath } from 'node:url';
import type { EndpointBody } from '../../src/api/index.ts';
import { median } from '../load/latencies.ts';
import { binaryRequest, digitRows } from '../overhead/requests.ts';
import { Platform } from '../servers/platform.ts';
import { loadInTurns, type Turn } from '../watching/turns.ts';

export interface AloneResult {
  /** Of the selection by those of the plain endpoint, medians of pairs of turns. */
  readonly rateRatio: number;
  readonly cpuRatio: number;
  /** The same of a second plain endpoint: what is noise. */
  readonly rateRatioOfEqual: number;
  readonly cpuRatioOfEqual: number;
  /** Instances of each, which cost the same. */
  readonly instances: { readonly selection: number; readonly plain: number };
  readonly plan: string;
}

const catalogue = (file: string): string => fileURLToPath(new URL(`../../assets/catalogue/${file}`, import.meta.url));
const objective = 'p95<=50ms';
const [concurrency, turnMs] = [32, 100];
/** In the first ten seconds under load, V8 still compiles the server's code. */
const [warmUpSeconds, seconds] = [12, 20];
const endpoints = ['selected', 'digits-cnn', 'digits-cnn-again'] as const;

export async function measureAlone(): Promise<AloneResult> {
  const platform = new Platform();
  try {
    await platform.start();
    await platform.deploy({ modelPath: catalogue('digits_cnn.onnx'), name: 'digits-cnn', objective });
    await platform.run('deploy', 'digits-cnn/1', 'digits-cnn-again', '--objective', objective);
    await platform.run('register', catalogue('digits_mlp.onnx'), 'digits-mlp');
    await platform.run('approve', 'digits-mlp/1');
    const models = ['digits-mlp', 'digits-cnn'];
    const set = ['--data', catalogue('digits_test.csv'), '--label', 'label', '--name', 'holdout'];
    await platform.run('evaluate', ...models, ...set);
    const ask = ['--reference', 'digits-cnn', '--evaluation', 'holdout', '--accuracy', '>=0.97', '--objective', objective];
    await platform.run('deploy', 'selected', '--select', models.join(), ...ask);
    const { selection } = await described(platform, 'selected');
    if (selection === null) throw new Error('expected a selection');
    const [chosen] = await turnsOf(platform);
    return { ...chosen, instances: await instancesOf(platform), plan: selection.ladder.map(({ plan }) => plan).join(', ') };
  } finally {
    await platform.close();
  }
}

async function turnsOf({ server: { url: address, pid } }: Platform): Promise<[Omit<AloneResult, 'instances' | 'plan'>]> {
  const url = new URL(address);
  const loaded = endpoints.map((endpoint) => ({
    url,
    pid,
    requests: digitRows().map((row) => binaryRequest(url, endpoint, 'image', [1, 1, 8, 8], Float32Array.from(row))),
  }));
  await loadInTurns(loaded, { concurrency, turnMs, rounds: (warmUpSeconds * 1000) / turnMs });
  const [selected = [], plain = [], again = []] = await loadInTurns(loaded, { concurrency, turnMs, rounds: (seconds * 1000) / turnMs });
  const ratio = (turns: readonly Turn[], what: keyof Turn): number =>
    median(turns.map((turn, round) => turn[what] / (plain[round]?.[what] ?? Number.NaN)));
  return [
    {
      rateRatio: ratio(selected, 'ratePerSecond'),
      cpuRatio: ratio(selected, 'cpuUs'),
      rateRatioOfEqual: ratio(again, 'ratePerSecond'),
      cpuRatioOfEqual: ratio(again, 'cpuUs'),
    },
  ];
}

async function instancesOf(platform: Platform): Promise<AloneResult['instances']> {
  const count = async (name: string): Promise<number> =>
    (await described(platform, name)).variants.reduce((sum, { ready }) => sum + ready, 0);
  return { selection: await count('selected'), plain: await count('digits-cnn') };
}

async function described({ server: { url } }: Platform, name: string): Promise<EndpointBody> {
  const response = await fetch(new URL(`/api/v1/endpoints/${name}`, url));
  if (!response.ok) throw new Error(`${name} cannot be described: ${await response.text()}`);
  return (await response.json()) as EndpointBody;
}

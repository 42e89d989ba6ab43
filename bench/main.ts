/** `npm run bench -- SCENARIO`: measures, prints, and writes results/ and README.md. */
import { endWithProblem, type Flags, readCommandLine, usageOf, type Values } from '../test/command-line.ts';
import { agreement } from './agreement/agreement.ts';
import { asyncInference } from './async/async.ts';
import { batching } from './batching/batching.ts';
import { clusterBench } from './cluster/cluster.ts';
import { companyStudy } from './company/company.ts';
import { consoleCalls } from './console/calls.ts';
import { consoleBench } from './console/console.ts';
import { gatewaysBench } from './gateways/gateways.ts';
import { grpc } from './grpc/grpc.ts';
import { hostLinkBench } from './host-link/host-link.ts';
import { commit, machine } from './machine.ts';
import { metrics } from './metrics/metrics.ts';
import { onnxBackend } from './onnx-backend/onnx-backend.ts';
import { type Figures, measureOnce } from './overhead/measures.ts';
import { table, write } from './overhead/report.ts';
import { peersBench } from './peers/peers.ts';
import { placementBench } from './placement/placement.ts';
import { python } from './python/python.ts';
import { scalingBounds } from './scaling/bounds.ts';
import { scaling } from './scaling/scaling.ts';
import { scalingSpeed } from './scaling/speed.ts';
import { selection } from './selection/selection.ts';
import { fromZero } from './serverless/from-zero.ts';
import { serverlessLoads } from './serverless/loads.ts';
import { serverless } from './serverless/serverless.ts';
import { trainingBench } from './training/training.ts';
import { transform } from './transform/transform.ts';
import { watchingAlone } from './watching/alone.ts';
import { watching } from './watching/watching.ts';

async function overhead({
  runs,
  seconds,
  dry: isDry,
}: {
  readonly runs: number;
  readonly seconds: number;
  readonly dry: boolean;
}): Promise<void> {
  const measured: Figures[] = [];
  for (let i = 1; i <= runs; i++) {
    const say = (text: string): void => console.error(`run ${i} of ${runs}: ${text}`);
    measured.push(await measureOnce({ measureMs: seconds * 1000, say }));
  }
  const results = { at: new Date().toISOString(), commit: commit(), machine: machine(), runs: measured };
  console.log(table(results));
  if (!isDry) write(results);
}

interface Benchmark {
  readonly usage: string;
  readonly run: (args: readonly string[]) => Promise<void> | void;
}

/** With `--dry`, results are printed and not written. */
function benchmark<const F extends Flags>(
  name: string,
  flags: F,
  run: (values: Values<F & { readonly dry: false }>) => Promise<void> | void,
): [string, Benchmark] {
  const line = { command: `npm run bench -- ${name}`, flags: { ...flags, dry: false } as const };
  return [name, { usage: usageOf(line), run: (args) => run(readCommandLine(line, args).values) }];
}

const benchmarks = new Map<string, Benchmark>([
  benchmark('overhead', { runs: 3, seconds: 4 }, overhead),
  benchmark('grpc', { seconds: 5 }, ({ seconds, dry: isDry }) => grpc({ seconds, isDry })),
  benchmark('gateways', { rounds: 3, seconds: 4 }, ({ rounds, seconds, dry: isDry }) => gatewaysBench({ rounds, seconds, isDry })),
  benchmark('batching', { requests: 4_000_000 }, ({ requests, dry: isDry }) => batching({ requests, isDry })),
  benchmark('serverless', { seconds: 120 }, ({ seconds, dry: isDry }) => serverless({ seconds, isDry })),
  benchmark('serverless-loads', { seconds: 60 }, ({ seconds, dry: isDry }) => serverlessLoads({ seconds, isDry })),
  benchmark('from-zero', {}, ({ dry: isDry }) => fromZero({ isDry })),
  benchmark('scaling', { only: { example: 'NASA, or a policy (retains the other results)' } }, ({ only, dry: isDry }) =>
    scaling({ only, isDry }),
  ),
  benchmark('scaling-bounds', {}, ({ dry: isDry }) => scalingBounds({ isDry })),
  benchmark('scaling-speed', {}, ({ dry: isDry }) => scalingSpeed({ isDry })),
  benchmark(
    'selection',
    { only: { example: 'floors,choosing,drift,fleets,held-back,alone,live' }, seconds: 600, scale: 100 },
    ({ only, seconds, scale, dry: isDry }) => selection({ only, seconds, scale, isDry }),
  ),
  benchmark('agreement', { runs: 3, only: { example: 'process' }, add: false }, ({ runs, only, add: isAdded, dry: isDry }) =>
    agreement({ runs, only, isAdded, isDry }),
  ),
  benchmark('async', {}, ({ dry: isDry }) => asyncInference({ isDry })),
  benchmark('training', { only: { example: 'start,whole,many,serving,spot,output,list' }, seconds: 30 }, ({ only, seconds, dry: isDry }) =>
    trainingBench({ only, seconds, isDry }),
  ),
  benchmark('transform', { runs: 3, only: { example: 'digits-mlp' } }, ({ runs, only, dry: isDry }) => transform({ runs, only, isDry })),
  benchmark('onnx-backend', { only: { example: 'test_cast (cases that begin so)' } }, ({ only, dry: isDry }) =>
    onnxBackend({ only, isDry }),
  ),
  benchmark(
    'python',
    { rounds: 3, seconds: 3, only: { example: 'forest,logistic,cold,promise' }, add: false },
    ({ rounds, seconds, only, add: isAdded, dry: isDry }) => python({ rounds, seconds, only, isAdded, isDry }),
  ),
  benchmark(
    'peers',
    {
      rounds: 3,
      seconds: 3,
      loads: { example: 'closed,image,overload,burst,memory,start' },
      only: { example: 'Triton,FastAPI,LitServe,MLServer,BentoML,mosec' },
      triton: { example: 'PATH' },
      add: false,
    },
    ({ add: isAdded, dry: isDry, ...options }) => peersBench({ ...options, isAdded, isDry }),
  ),
  benchmark('placement', {}, ({ dry: isDry }) => placementBench({ isDry })),
  benchmark('cluster', { rounds: 2, seconds: 6 }, ({ rounds, seconds, dry: isDry }) => clusterBench({ rounds, seconds, isDry })),
  benchmark('host-link', {}, ({ dry: isDry }) => hostLinkBench({ isDry })),
  benchmark('company', {}, ({ dry: isDry }) => companyStudy({ isDry })),
  benchmark('metrics', { hours: 24 }, ({ hours, dry: isDry }) => metrics({ hours, isDry })),
  benchmark('console', {}, ({ dry: isDry }) => consoleBench({ isDry })),
  benchmark('console-calls', {}, ({ dry: isDry }) => consoleCalls({ isDry })),
  // Each run starts twice.
  benchmark('watching', { runs: 3, seconds: 20 }, ({ runs, seconds, dry: isDry }) => watching({ starts: runs * 2, seconds, isDry })),
  benchmark('watching-alone', {}, () => watchingAlone()),
]);

const [name = '', ...args] = process.argv.slice(2);
const chosen = benchmarks.get(name);
if (chosen !== undefined) await chosen.run(args);
else if (['', '--help', '-h'].includes(name)) console.log([...benchmarks.values()].map(({ usage }) => usage).join('\n'));
else endWithProblem(`expected a benchmark, one of ${[...benchmarks.keys()].join(', ')}, got '${name}'`);

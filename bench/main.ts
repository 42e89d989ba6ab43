/** `npm run bench -- SCENARIO`: measures, prints, and writes results/ and README.md. */
import { parseArgs } from 'node:util';
import { agreement } from './agreement/agreement.ts';
import { asyncInference } from './async/async.ts';
import { batching } from './batching/batching.ts';
import { companyStudy } from './company/company.ts';
import { consoleCalls } from './console/calls.ts';
import { consoleBench } from './console/console.ts';
import { gatewaysBench } from './gateways/gateways.ts';
import { grpc } from './grpc/grpc.ts';
import { commit, machine } from './machine.ts';
import { metrics } from './metrics/metrics.ts';
import { onnxBackend } from './onnx-backend/onnx-backend.ts';
import { type Figures, measureOnce } from './overhead/measures.ts';
import { table, write } from './overhead/report.ts';
import { peersBench } from './peers/peers.ts';
import { python } from './python/python.ts';
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

const usage = `npm run bench -- overhead [--runs 3] [--seconds 4] [--dry (write nothing)]
       npm run bench -- grpc [--seconds 5] [--dry]
       npm run bench -- gateways [--rounds 3] [--seconds 4] [--dry]
       npm run bench -- batching [--requests 4000000] [--dry]
       npm run bench -- serverless [--seconds 120] [--dry]
       npm run bench -- serverless-loads [--seconds 60] [--dry]
       npm run bench -- from-zero [--dry]
       npm run bench -- scaling [--only NASA (keeps the other results)] [--dry]
       npm run bench -- scaling-speed [--dry]
       npm run bench -- selection [--only floors,choosing,drift,fleets,held-back,alone,live] [--seconds 600 --scale 100 (of live)] [--dry]
       npm run bench -- agreement [--runs 3] [--only process] [--add (to earlier runs)] [--dry]
       npm run bench -- async [--dry]
       npm run bench -- training [--only start,whole,many,serving,spot,output,list] [--seconds 30] [--dry]
       npm run bench -- transform [--runs 3] [--only digits-mlp] [--dry]
       npm run bench -- onnx-backend [--only test_cast (cases that begin so)] [--dry]
       npm run bench -- python [--rounds 3] [--seconds 3] [--only forest,logistic,cold,promise] [--add] [--dry]
       npm run bench -- peers [--rounds 3] [--seconds 3] [--only Triton,FastAPI,LitServe,MLServer,BentoML,mosec] [--triton PATH] [--add] [--dry]
       npm run bench -- company [--dry]
       npm run bench -- metrics [--hours 24] [--dry]
       npm run bench -- console [--dry]
       npm run bench -- console-calls [--dry]
       npm run bench -- watching [--runs 3 (of two starts each)] [--seconds 20] [--dry]
       npm run bench -- watching-alone`;

async function overhead(runs: number, seconds: number, isDry: boolean): Promise<void> {
  const measured: Figures[] = [];
  for (let i = 1; i <= runs; i++) {
    const say = (text: string): void => console.error(`run ${i} of ${runs}: ${text}`);
    measured.push(await measureOnce({ measureMs: seconds * 1000, say }));
  }
  const results = { at: new Date().toISOString(), commit: commit(), machine: machine(), runs: measured };
  console.log(table(results));
  if (!isDry) write(results);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string' },
    scale: { type: 'string' },
    requests: { type: 'string', default: '4000000' },
    hours: { type: 'string', default: '24' },
    only: { type: 'string', default: '' },
    triton: { type: 'string', default: '' },
    add: { type: 'boolean', default: false },
    dry: { type: 'boolean', default: false },
  },
});
if (positionals.join() === 'overhead') {
  await overhead(Number(values.runs), Number(values.seconds ?? 4), values.dry);
} else if (positionals.join() === 'grpc') {
  await grpc({ seconds: Number(values.seconds ?? 5), isDry: values.dry });
} else if (positionals.join() === 'gateways') {
  await gatewaysBench({ rounds: Number(values.rounds), seconds: Number(values.seconds ?? 4), isDry: values.dry });
} else if (positionals.join() === 'batching') {
  await batching({ requests: Number(values.requests), isDry: values.dry });
} else if (positionals.join() === 'peers') {
  const { only, triton, add: isAdded, dry: isDry } = values;
  await peersBench({ rounds: Number(values.rounds), seconds: Number(values.seconds ?? 3), only, triton, isAdded, isDry });
} else if (positionals.join() === 'from-zero') {
  await fromZero({ isDry: values.dry });
} else if (positionals.join() === 'serverless') {
  await serverless({ seconds: Number(values.seconds ?? 120), isDry: values.dry });
} else if (positionals.join() === 'serverless-loads') {
  await serverlessLoads({ seconds: Number(values.seconds ?? 60), isDry: values.dry });
} else if (positionals.join() === 'async') {
  await asyncInference({ isDry: values.dry });
} else if (positionals.join() === 'training') {
  await trainingBench({ only: values.only, seconds: Number(values.seconds ?? 30), isDry: values.dry });
} else if (positionals.join() === 'transform') {
  await transform({ runs: Number(values.runs), only: values.only, isDry: values.dry });
} else if (positionals.join() === 'selection') {
  const numberOf = (text: string | undefined): number | null => (text === undefined ? null : Number(text));
  await selection({ only: values.only, isDry: values.dry, seconds: numberOf(values.seconds), scale: numberOf(values.scale) });
} else if (positionals.join() === 'agreement') {
  await agreement({ runs: Number(values.runs), only: values.only, isAdded: values.add, isDry: values.dry });
} else if (positionals.join() === 'onnx-backend') {
  await onnxBackend({ only: values.only, isDry: values.dry });
} else if (positionals.join() === 'python') {
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds ?? 3)];
  await python({ rounds, seconds, only: values.only, isAdded: values.add, isDry: values.dry });
} else if (positionals.join() === 'company') {
  companyStudy({ isDry: values.dry });
} else if (positionals.join() === 'metrics') {
  await metrics({ hours: Number(values.hours), isDry: values.dry });
} else if (positionals.join() === 'watching') {
  await watching({ starts: Number(values.runs) * 2, seconds: Number(values.seconds ?? 20), isDry: values.dry });
} else if (positionals.join() === 'watching-alone') {
  await watchingAlone();
} else if (positionals.join() === 'scaling-speed') {
  await scalingSpeed({ isDry: values.dry });
} else if (positionals.join() === 'console') {
  await consoleBench({ isDry: values.dry });
} else if (positionals.join() === 'console-calls') {
  await consoleCalls({ isDry: values.dry });
} else if (positionals.join() === 'scaling') {
  await scaling({ only: values.only, isDry: values.dry });
} else {
  console.error(usage);
  process.exitCode = 2;
}

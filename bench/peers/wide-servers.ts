/** The servers beside Penstock of the wide MLP, set up as one who knows them would for a model that gains by batches. */
import type { LoadContext } from './rounds.ts';
import { type Available, fastapiTensor, mosecTensor, type TensorServer, tritonTensor, wideMlp } from './tensor-servers.ts';

/** Batches of up to 32 rows, as large as they are after a millisecond: longer waits only cost latency. */
const batching = { batchMax: 32, waitMs: 1 };
/** A request that has waited longer than the objective is given up. */
const bounded = ['--timeout', '50'];

/** By program. The first of each has no bound, so that its peak is that of the others, too. */
export function wideServers({ scratch, triton }: LoadContext, available: Available): TensorServer[][] {
  return [
    ...(available.triton ? [[tritonTensor(wideMlp, 1, scratch, triton)]] : []),
    ...(available.fastapi ? [[fastapiTensor(wideMlp, 1, 'FastAPI')], [fastapiTensor(wideMlp, 2, 'FastAPI, 2 processes')]] : []),
    ...(available.mosec
      ? [
          [
            mosecTensor(wideMlp, 1, { ...batching, args: [] }, scratch),
            mosecTensor(wideMlp, 1, { ...batching, args: bounded }, scratch, 'mosec, `--timeout 50`'),
          ],
        ]
      : []),
  ];
}

/** Builds the simulated variant: the platform's pool, with the settings of the spec and simulated executors. */
import type { Policy } from '../../autoscaling/index.ts';
import type { Clock } from '../../clock.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { VariantPool } from '../../serving/index.ts';
import { choosesFunctions, functionsUnlimited, type SimulatedFunctions, type SimulationSpec } from '../simulation-spec.ts';
import type { FleetType } from './fleet.ts';
import type { FunctionProvider } from './function-provider.ts';

/** What the pool is built of. */
export interface SimulatedPoolDeps {
  readonly clock: Clock;
  /** The policy of the simulation spec. */
  readonly policy: Policy;
  /** Instance types that the policy can use. */
  readonly types: readonly FleetType[];
  /** null: the variant has no functions. */
  readonly functions: FunctionProvider | null;
}

const timeoutMs = 10_000;
/** As in the product. */
const queueRowsMax = 10_000;

/** The same class as in the server, on a virtual clock and without workers. */
export function simulatedPool(spec: SimulationSpec, { clock, policy, types, functions }: SimulatedPoolDeps): VariantPool {
  const { objective, memoryMiB, profile, overflow, serverless, functions: deployed = functionsUnlimited } = spec;
  const {
    maxConcurrency,
    provisioned,
    keepAliveMs,
    memoryMiB: wishedMiB = 'auto',
    batching,
  }: Omit<SimulatedFunctions, 'warmMax'> = deployed;
  const isHybrid = functions !== null && policy.kind !== 'batch' && serverless === undefined;
  const isChosen = choosesFunctions(spec, policy);
  const config = {
    memoryMiB: isChosen ? wishedMiB : memoryMiB,
    maxConcurrency,
    provisioned,
    keepAliveMs,
    batching: (isHybrid ? batching : undefined) ?? { kind: isChosen ? 'slack' : 'none' },
  } as const;
  const settings = {
    objective,
    late: 'serve',
    timeoutMs,
    queueRowsMax,
    functions: functions === null ? null : config,
    isHybrid,
  } as const;
  return new VariantPool({ endpoint: 'simulated', variant: 'AllTraffic', model: simulatedModel('simulated') }, settings, {
    clock,
    serviceTable: (executor) => {
      const [, kind, name] = /^([^:]*):(.*)$/s.exec(executor) as unknown as [string, string, string];
      if (kind === 'function') {
        const { law, thereAndBack } = (functions as FunctionProvider).sizeOf(Number(name));
        return isChosen ? thereAndBack : law.table;
      }
      return (types.find((type) => type.name === name) as FleetType).law.table;
    },
    onDispatch: () => {},
    restart: () => {},
    overheadMs: profile.overheadMs,
    ...(overflow === undefined ? {} : { overflow }),
    ...(functions === null ? {} : { functions: functions.poolDeps }),
  });
}

/** The model of simulated requests. It has a name and accepts rows, but is never run. */
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;

/** A version that exists nowhere: only its name and signature matter. */
export function simulatedModel(group: string): ModelVersion {
  return {
    group,
    version: 1,
    name: `${group}/1`,
    approval: 'Approved',
    approvalChangedBy: null,
    approvalChangedAtMs: null,
    approvalNote: null,
    description: '',
    metadata: {},
    metrics: {},
    tags: {},
    artifact: { sha256: '', bytes: 0 },
    sourceSha256: '',
    sourceName: '',
    signature,
    opsets: {},
    producer: '',
    properties: {},
    notes: [],
    batchable: true,
    batchableReason: '',
    runtime: { kind: 'onnx' },
    createdBy: '',
    createdAtMs: 0,
  };
}

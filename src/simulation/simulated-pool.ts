/** The variant of a simulation: a pool of the platform, set as the order says, before executors that are models. */
import type { Policy } from '../autoscaling/index.ts';
import type { Clock } from '../clock.ts';
import { VariantPool } from '../serving/index.ts';
import type { FleetType } from './fleet.ts';
import type { FunctionProvider } from './function-provider.ts';
import { simulatedModel } from './model.ts';
import { choosesFunctions, functionsUnlimited, type SimulatedFunctions, type SimulationOrder } from './simulation-order.ts';

export interface SimulatedPoolNeeds {
  readonly clock: Clock;
  /** The order's own. */
  readonly policy: Policy;
  /** Of the instances that may come. */
  readonly types: readonly FleetType[];
  /** null: there are none. */
  readonly functions: FunctionProvider | null;
}

const timeoutMs = 10_000;
const queueRowsMax = 10_000_000;

export function simulatedPool(order: SimulationOrder, { clock, policy, types, functions }: SimulatedPoolNeeds): VariantPool {
  const { objective, memoryMiB, profile, overflow, serverless, functions: deployed = functionsUnlimited } = order;
  const {
    maxConcurrency,
    provisioned,
    keepAliveMs,
    memoryMiB: wishedMiB = 'auto',
    batching,
  }: Omit<SimulatedFunctions, 'warmMax'> = deployed;
  const isHybrid = functions !== null && policy.kind !== 'batch' && serverless === undefined;
  const isChosen = choosesFunctions(order, policy);
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
    ...(functions === null ? {} : { functions: functions.neighbours }),
  });
}

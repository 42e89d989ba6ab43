/** What to know about the service times that an endpoint is run by: whether they were measured beside others. */
import type { EndpointConfig, VariantConfig } from '../deployment/index.ts';
import { functionExecutor } from '../profiling/index.ts';
import type { ServedView } from '../serving/index.ts';
import type { ApiServices } from './services.ts';

type Tables = Pick<ApiServices['tables'], 'tableOf'>;

/** Each once. `served` tells which functions are in force; undefined while nothing is served. */
export function notesOnProfiles({ variants }: Pick<EndpointConfig, 'variants'>, served: ServedView | undefined, tables: Tables): string[] {
  const notes = variants.flatMap((variant) => {
    const told = new Set<number | null>(); // service times of functions may be derived from those of the instance
    const functions = served?.variants.find(({ name }) => name === variant.name)?.functions ?? null;
    return executorsOf(variant, functions?.setting.memoryMiB ?? null).flatMap((executor) => {
      const { busy, measuredAtMs } = tables.tableOf(variant, executor);
      const model = `${variant.group}/${variant.version}`;
      if (busy === null || told.has(measuredAtMs)) return [];
      told.add(measuredAtMs);
      return [`${model} on ${executor} was ${busy}; \`penstock profile ${model}\` measures again`];
    });
  });
  return [...new Set(notes)];
}

function executorsOf({ instanceCount, instanceType }: VariantConfig, memoryMiB: number | null): string[] {
  const instances = instanceCount > 0 ? [`instance:${instanceType}`] : [];
  return memoryMiB === null ? instances : [...instances, functionExecutor(memoryMiB)];
}

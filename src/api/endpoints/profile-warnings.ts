/** Warnings about service times that were measured on a busy machine. */
import type { EndpointConfig, VariantConfig } from '../../deployment/index.ts';
import { functionExecutor } from '../../profiling/index.ts';
import type { ServedView } from '../../serving/index.ts';
import type { ApiServices } from '../routing/services.ts';

type Tables = Pick<ApiServices['tables'], 'tableOf'>;

/** One for each model. `served` has the current function setting; undefined while nothing is served. */
export function profileWarnings({ variants }: Pick<EndpointConfig, 'variants'>, served: ServedView | undefined, tables: Tables): string[] {
  const notes = new Map<string, string>();
  for (const variant of variants) {
    const model = `${variant.group}/${variant.version}`;
    const functions = served?.variants.find(({ name }) => name === variant.name)?.functions ?? null;
    for (const executor of executorsOf(variant, functions?.setting.memoryMiB ?? null)) {
      const { busy } = tables.tableOf(variant, executor);
      if (busy === null || notes.has(model)) continue;
      notes.set(model, `${model} was ${busy}. \`penstock profile ${model}\` measures again`);
    }
  }
  return [...notes.values()];
}

function executorsOf({ instanceCount, instanceType }: VariantConfig, memoryMiB: number | null): string[] {
  const instances = instanceCount > 0 ? [`instance:${instanceType}`] : [];
  return memoryMiB === null ? instances : [...instances, functionExecutor(memoryMiB)];
}

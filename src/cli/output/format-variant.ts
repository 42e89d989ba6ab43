/** Formats the capacity of a variant: its instances, its functions and their settings. */
import type { VariantBody } from '../../api/index.ts';
import { formatMsText } from './format.ts';

type Variant = Pick<VariantBody, 'functions' | 'setting' | 'environments' | 'ready' | 'instance_count' | 'instance_type'> &
  Partial<Pick<VariantBody, 'wanted'>>;

/** `1/2` for instances; `2 busy, 1 idle` or `none` for functions; `1/2 + 2 busy` for both. */
export function readyText({ functions, environments, ready, instance_count: count, wanted = count }: Variant): string {
  const counted = `${ready}/${wanted}`;
  if (functions === null) return counted;
  return count === 0 ? environmentsText(environments) : `${counted} + ${environmentsText(environments)}`;
}

/** Only states that occur: `2 busy, 1 starting`. */
export function environmentsText(environments: Variant['environments']): string {
  const { busy = 0, idle = 0, starting = 0 } = environments ?? {};
  const parts = Object.entries({ busy, idle, starting }).filter(([, count]) => count > 0);
  return parts.length === 0 ? 'none' : parts.map(([word, count]) => `${count} ${word}`).join(', ');
}

/** `local.1`; `function 2048 MiB`, with the chosen size for `auto`; `local.1 + function 2048 MiB`. */
export function typeText({ functions, setting, instance_type: type, instance_count: wanted }: Variant): string {
  if (functions === null) return type;
  return wanted === 0 ? sizeText(functions, setting) : `${type} + ${sizeText(functions, setting)}`;
}

function sizeText(functions: NonNullable<Variant['functions']>, setting: Variant['setting']): string {
  if (functions.memory_mib !== 'auto') return `function ${functions.memory_mib} MiB`;
  return setting === null ? 'function auto' : `function auto (${setting.memory_mib} MiB)`;
}

/** `0 to 10, 1 kept warm, idle ones kept for 60 s`: the bounds of the number of functions. */
export function rangeText({
  max_concurrency: most,
  provisioned,
  keep_alive_ms: keepAliveMs,
  usd_per_hour_max: budget = null,
}: NonNullable<Variant['functions']>): string {
  const limit = budget === null ? '' : `, at most $${budget} per hour`;
  const warm = provisioned === 0 ? '' : `, ${provisioned} kept warm`;
  return `${provisioned} to ${most}${warm}, idle ones kept for ${formatMsText(keepAliveMs)}${limit}`;
}

/** `2048 MiB, 8 rows, waits 20 ms`: the setting that its functions use now. */
export function functionSettingText({
  memory_mib: memory,
  batch_size_max: rows,
  wait_ms_max: waitMs,
}: NonNullable<Variant['setting']>): string {
  if (rows === 1) return `${memory} MiB, each request alone`;
  return `${memory} MiB, ${rows} rows, ${waitMs === null ? 'waits as long as deadlines allow' : `waits ${formatMsText(waitMs)}`}`;
}

/** `slack`; `fixed: 8 rows or 20 ms`. */
export function batchingText({ batching, batch_size_max: rows, wait_ms_max: waitMs }: NonNullable<Variant['functions']>): string {
  return rows === undefined || waitMs === undefined ? batching : `${batching}: ${rows} rows or ${formatMsText(waitMs)}`;
}

/** `economic: 0 to 4 instances, at most $0.5 per hour`. */
export function scalingText({
  policy,
  instances_min: least,
  instances_max: most,
  usd_per_hour_max: budget,
  floors = [],
}: NonNullable<VariantBody['scaling']>): string {
  const money = budget === null ? '' : `, at most $${budget} per hour`;
  return [
    `${policy}: ${least} to ${most} instances${money}`,
    ...floors.map((floor) => `at least ${floor.replace(/^(.*) (\d+)$/, '$2 at $1 UTC')}`),
  ].join(', ');
}

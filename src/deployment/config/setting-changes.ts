/** The settings that a change of an endpoint changed, with old and new values, under their native API names. Pure. */
import { snakeCase } from '../../fields/index.ts';
import { nameKey } from '../../names.ts';
import { formatObjective } from '../../objective.ts';
import { type EndpointConfig, modelsOf, type VariantConfig } from './endpoint-config.ts';
import type { FunctionsConfig } from './functions-config.ts';
import type { ScalingConfig } from './scaling-config.ts';
import { formatFloor } from './scheduled-floor.ts';

/** Null: not set. */
export type SettingValue = string | number | boolean | null;

/** One changed setting of an update, as decisions, events and the audit show it. */
export interface SettingChange {
  /** `objective`, `AllTraffic.scaling.instances_max` */
  readonly setting: string;
  readonly from: SettingValue;
  readonly to: SettingValue;
}

/** Long texts, such as lists of names, are truncated: the audit log has them in full. */
const valueLengthMax = 200;

/** In the order of the config. A variant's model is listed only if nothing else reports it: if variants swap their models. */
export function settingChanges(before: EndpointConfig, now: EndpointConfig): SettingChange[] {
  const isSameModels = modelsOf(before).toSorted().join() === modelsOf(now).toSorted().join();
  // Names are case-insensitive: a variant is reported under its current name.
  const names = new Map(now.variants.map(({ name }) => [nameKey(name), name]));
  const variants = before.variants.map((variant) => ({ ...variant, name: names.get(nameKey(variant.name)) ?? variant.name }));
  const [old, fresh] = [settingsOf({ ...before, variants }, isSameModels), settingsOf(now, isSameModels)];
  return [...new Set([...fresh.keys(), ...old.keys()])]
    .map((setting) => ({ setting, from: old.get(setting) ?? null, to: fresh.get(setting) ?? null }))
    .filter(({ from, to }) => from !== to)
    .map(({ setting, from, to }) => ({ setting, from: shortened(from), to: shortened(to) }));
}

function settingsOf(config: EndpointConfig, withModels: boolean): Map<string, SettingValue> {
  const { name: _name, variants, objective, capture, ...others } = config;
  return new Map([
    ['objective', objective === null ? null : formatObjective(objective)] as const,
    ...flat('', others),
    ...flat('capture.', capture ?? {}),
    ...variants.flatMap((variant) => ofVariant(variant, withModels)),
  ]);
}

type Setting = readonly [string, SettingValue];

function ofVariant(
  { name, group, version, functions, scaling, instanceTypeAsked, ladder, ...others }: VariantConfig,
  withModel: boolean,
): Setting[] {
  const prefix = `${name}.`;
  return [
    ...(withModel ? [[`${prefix}model`, `${group}/${version}`] as const] : []),
    ...flat(prefix, { ...others, instanceType: instanceTypeAsked ?? others.instanceType }),
    ...(ladder === undefined ? [] : [[`${prefix}plans`, ladder.rungs.map((rung) => rung.name).join(', ')] as const]),
    ...(functions === undefined ? [] : ofFunctions(`${prefix}functions.`, functions)),
    ...(scaling === undefined ? [] : ofScaling(`${prefix}scaling.`, scaling)),
  ];
}

function ofFunctions(prefix: string, { batching, ...others }: FunctionsConfig): Setting[] {
  const { kind, ...limits } = batching;
  return flat(prefix, { ...others, batching: kind, ...limits });
}

function ofScaling(prefix: string, { floors = [], ...others }: ScalingConfig): Setting[] {
  return flat(prefix, { ...others, ...(floors.length === 0 ? {} : { floors: floors.map(formatFloor) }) });
}

function flat(prefix: string, settings: object): Setting[] {
  return Object.entries(settings as Readonly<Record<string, SettingValue | object>>).map(([name, value]) => [
    `${prefix}${snakeCase(name)}`,
    Array.isArray(value) ? value.join(', ') : typeof value === 'object' && value !== null ? JSON.stringify(value) : value,
  ]);
}

function shortened(value: SettingValue): SettingValue {
  return typeof value === 'string' && value.length > valueLengthMax ? `${value.slice(0, valueLengthMax)}…` : value;
}

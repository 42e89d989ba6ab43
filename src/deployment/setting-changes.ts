/** Which settings of an endpoint a change changed, from what to what, under the names that the native API has for them. Pure. */
import { formatObjective } from '../objective.ts';
import { keyOf } from '../registry/index.ts';
import { type EndpointConfig, modelsOf, type VariantConfig } from './endpoint-config.ts';
import type { FunctionsConfig } from './functions-config.ts';
import type { ScalingConfig } from './scaling-config.ts';
import { formatFloor } from './scheduled-floor.ts';

/** Null: not given. */
export type SettingValue = string | number | boolean | null;

export interface SettingChange {
  /** `objective`, `AllTraffic.scaling.instances_max` */
  readonly setting: string;
  readonly from: SettingValue;
  readonly to: SettingValue;
}

/** Long texts, lists of names among them, are cut: what they were whole is in the audit. */
const valueLengthMax = 200;

/** In the order of the config. What model a variant serves is told where nothing else tells it: where variants swap theirs. */
export function settingChanges(before: EndpointConfig, now: EndpointConfig): SettingChange[] {
  const isSameModels = modelsOf(before).toSorted().join() === modelsOf(now).toSorted().join();
  // Names are one whatever their case: a variant is told under the name that it has now.
  const names = new Map(now.variants.map(({ name }) => [keyOf(name), name]));
  const variants = before.variants.map((variant) => ({ ...variant, name: names.get(keyOf(variant.name)) ?? variant.name }));
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
  { name, group, version, functions, scaling, instanceTypeAsked, ...others }: VariantConfig,
  withModel: boolean,
): Setting[] {
  const place = `${name}.`;
  return [
    ...(withModel ? [[`${place}model`, `${group}/${version}`] as const] : []),
    ...flat(place, { ...others, instanceType: instanceTypeAsked ?? others.instanceType }),
    ...(functions === undefined ? [] : ofFunctions(`${place}functions.`, functions)),
    ...(scaling === undefined ? [] : ofScaling(`${place}scaling.`, scaling)),
  ];
}

function ofFunctions(place: string, { batching, ...others }: FunctionsConfig): Setting[] {
  const { kind, ...limits } = batching;
  return flat(place, { ...others, batching: kind, ...limits });
}

function ofScaling(place: string, { floors = [], ...others }: ScalingConfig): Setting[] {
  return flat(place, { ...others, ...(floors.length === 0 ? {} : { floors: floors.map(formatFloor) }) });
}

/** `usdPerHourMax` is `usd_per_hour_max`. */
function flat(place: string, settings: object): Setting[] {
  return Object.entries(settings as Readonly<Record<string, SettingValue | object>>).map(([name, value]) => [
    `${place}${name.replace('MiB', 'Mib').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
    Array.isArray(value) ? value.join(', ') : typeof value === 'object' && value !== null ? JSON.stringify(value) : value,
  ]);
}

function shortened(value: SettingValue): SettingValue {
  return typeof value === 'string' && value.length > valueLengthMax ? `${value.slice(0, valueLengthMax)}…` : value;
}

/** `accelerators` of config.json: instance types whose workers get a share of a device. Pure. */
import { PlatformError } from '../errors.ts';
import type { InstancePrice } from './prices.ts';

/** An instance type with devices, by name. */
export type AcceleratorTable = Readonly<Record<string, AcceleratorType>>;

/** An instance type with a share of a device, and its price. */
export interface AcceleratorType extends InstancePrice {
  /** Indexes of the devices of this machine that its workers may use. */
  readonly devices: readonly number[];
  /** Maximum number of workers on a device, of all types together. */
  readonly perDevice: number;
}

const members = ['devices', 'memoryMiB', 'perDevice', 'usdPerHour', 'vcpu'];
const typesMax = 100;
const devicesMax = 64;
const deviceMax = 1023;
const perDeviceMax = 64;
/** As AWS accepts: `local.gpu`, `ml.g5.xlarge`. */
const nameForm = /^[a-z0-9][a-z0-9.-]{0,62}$/;

/** Throws `invalid_request`. */
export function acceleratorTable(provided: Readonly<Record<string, unknown>> | null): AcceleratorTable {
  const entries = Object.entries(provided ?? {});
  if (entries.length > typesMax) throw wrong('accelerators', `at most ${typesMax} types`, entries.length);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (!nameForm.test(name)) throw wrong('accelerators', 'names of instance types such as local.gpu', name);
      return [name, acceleratorType(`accelerators.${name}`, value)];
    }),
  );
}

function acceleratorType(where: string, provided: unknown): AcceleratorType {
  if (typeof provided !== 'object' || provided === null || Array.isArray(provided)) throw wrong(where, 'a JSON object', provided);
  const { devices, memoryMiB, perDevice = 1, usdPerHour, vcpu = 1, ...rest } = provided as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw wrong(`${where}.${unknown}`, `only ${members.join(', ')}`, unknown);
  const isList = Array.isArray(devices) && devices.length > 0 && devices.length <= devicesMax;
  if (!isList || !devices.every((index) => isWhole(index, 0, deviceMax)) || new Set(devices).size < devices.length)
    throw wrong(`${where}.devices`, `a list of 1 to ${devicesMax} different indexes of devices, such as [0, 1]`, devices);
  if (!isWhole(perDevice, 1, perDeviceMax)) throw wrong(`${where}.perDevice`, `a whole number from 1 to ${perDeviceMax}`, perDevice);
  return {
    devices,
    perDevice,
    memoryMiB: positive(`${where}.memoryMiB`, memoryMiB),
    usdPerHour: positive(`${where}.usdPerHour`, usdPerHour),
    vcpu: positive(`${where}.vcpu`, vcpu),
  };
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
}

function positive(where: string, provided: unknown): number {
  if (typeof provided !== 'number' || !Number.isFinite(provided) || provided <= 0) throw wrong(where, 'a number above 0', provided);
  return provided;
}

function wrong(where: string, expected: string, got: unknown): PlatformError {
  return new PlatformError(
    'invalid_request',
    `${where} in config.json: expected ${expected}, got ${JSON.stringify(got)?.slice(0, 100) ?? 'nothing'}`,
  );
}

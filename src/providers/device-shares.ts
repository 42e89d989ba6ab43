/** Which worker uses which accelerator device. A device has a maximum number of workers; their memory on it is neither limited nor measured. */
import type { AcceleratorType } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';

/** By name of the instance type. A type that is absent has no devices. */
export type AcceleratedTypes = Readonly<Record<string, Pick<AcceleratorType, 'devices' | 'perDevice'>>>;

/** How many workers of each type a machine can have at a time. */
export function devicePlaces(types: AcceleratedTypes): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(types).map(([name, { devices, perDevice }]) => [name, devices.length * perDevice]));
}

/** A place on a device for one worker. */
export interface DeviceShare {
  /** Index of the device. */
  readonly device: number;
  /** Call it once the worker's process has ended. Calling it again changes nothing. */
  readonly release: () => void;
}

/** Counts workers only. The device with the fewest gets the next one. */
export class DeviceShares {
  readonly #types: AcceleratedTypes;
  /** Workers by device. */
  readonly #workers = new Map<number, number>();

  constructor(types: AcceleratedTypes) {
    this.#types = types;
  }

  /** A share of the device with the fewest workers; null if the type has no devices. Throws `unavailable` if none is free. */
  take(type: string): DeviceShare | null {
    const kind = Object.hasOwn(this.#types, type) ? this.#types[type] : undefined;
    if (kind === undefined) return null;
    const { devices, perDevice } = kind;
    const countOf = (device: number): number => this.#workers.get(device) ?? 0;
    const [device] = devices.filter((each) => countOf(each) < perDevice).toSorted((a, b) => countOf(a) - countOf(b));
    if (device === undefined) {
      throw new PlatformError(
        'unavailable',
        `no device is free for ${type}: ${devices.length === 1 ? 'device' : 'devices'} ${devices.join(', ')} of this machine may have ${perDevice} ${perDevice === 1 ? 'worker' : 'workers'} each, and all are in use. Lower the number of instances, or raise accelerators.${type}.perDevice in config.json`,
      );
    }
    this.#workers.set(device, countOf(device) + 1);
    let isHeld = true;
    const release = (): void => {
      if (isHeld) this.#workers.set(device, countOf(device) - 1);
      isHeld = false;
    };
    return { device, release };
  }
}

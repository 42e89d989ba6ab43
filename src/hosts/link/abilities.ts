/** The abilities of a host in the introduction of its link: written by its agent, checked by the home like any input from outside. Pure. */
import { type HostAbilities, type HostPython, packageKey } from '../abilities.ts';
import { cutText, fieldsOf, listOf, numberOf } from './reports.ts';

const pythonsMax = 64;
const packagesMax = 20_000;
const textMax = 128;
/** As many as config.json may have (costs/accelerators.ts), with 64 devices each and 64 workers on a device. */
const acceleratorTypesMax = 100;
const acceleratorPlacesMax = 64 * 64;
/** Of an introduction, which has at most 64 KiB, for the packages of all interpreters. */
const packageBytesMax = 48 * 1024;

/** As JSON: packages are one text, `name==version` each on a line. Packages beyond the limit of an introduction are left out. */
export function abilityFields({ isolation, architecture, pythons, runsTasks }: HostAbilities): object {
  let bytes = 0;
  const written = pythons.slice(0, pythonsMax).map(({ name, version, platform, packages }) => {
    const lines: string[] = [];
    for (const [key, its] of packages) {
      const line = `${key}==${its}`;
      bytes += Buffer.byteLength(line) + 2;
      if (bytes <= packageBytesMax) lines.push(line);
    }
    return { name, version, platform, packages: lines.join('\n') };
  });
  return { isolation, architecture, pythons: written, ...(runsTasks === true ? { runsTasks } : {}) };
}

/** Throws if they are malformed. Absent: an agent that is too old to report them. */
export function readAbilities(value: unknown): HostAbilities {
  if (value === undefined) return { isolation: null, architecture: null, pythons: [] };
  const { isolation, architecture, pythons, runsTasks } = fieldsOf(value);
  return {
    isolation: cutText(isolation, textMax),
    architecture: cutText(architecture, textMax),
    pythons: listOf(pythons, pythonsMax).map(readPython),
    ...(runsTasks === true ? { runsTasks } : {}),
  };
}

/** Instance types with devices, and their places. Throws if they are malformed. Absent: an agent that is too old to report them. */
export function readAccelerators(value: unknown): Readonly<Record<string, number>> {
  const entries = Object.entries(fieldsOf(value ?? {}));
  listOf(entries, acceleratorTypesMax);
  return Object.fromEntries(entries.map(([name, places]) => [cutText(name, textMax), Math.floor(numberOf(places, acceleratorPlacesMax))]));
}

function readPython(value: unknown): HostPython {
  const { name, version, platform, packages } = fieldsOf(value);
  const lines = listOf(cutText(packages, 2 ** 16).split('\n'), packagesMax);
  const named = lines.flatMap((line) => {
    const [, key, its] = /^([^=\s]{1,128})==(\S{1,128})$/.exec(String(line)) ?? [];
    return key === undefined || its === undefined ? [] : [[packageKey(key), its] as const];
  });
  return {
    name: cutText(name, textMax).toLowerCase(),
    version: cutText(version, textMax),
    platform: cutText(platform, textMax),
    packages: new Map(named),
  };
}

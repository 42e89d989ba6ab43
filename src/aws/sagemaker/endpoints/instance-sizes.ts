/** Maps AWS instance types to the configured ones. Pure. */
import { type InstancePrice, isAccelerated, type PriceTable } from '../../../costs/index.ts';
import { AwsError } from '../../service.ts';

const typePattern = /^ml\.([a-z][a-z0-9-]*)\.((\d*)(nano|micro|small|medium|large|xlarge)|metal(?:-\d+xl)?)$/;
const vcpuOfSize: Readonly<Record<string, number>> = { nano: 1, micro: 1, small: 1, medium: 1, large: 2, xlarge: 4 };
const vcpuOfMetal = 96;
/** MiB per vCPU by the family's first letter; other families count as general purpose. */
const memoryMiBPerVcpu: Readonly<Record<string, number>> = { c: 2048, m: 4096, t: 2048, r: 8192, x: 16_384, g: 4096, p: 8192, i: 2048 };
/** The families in AWS's model of endpoints. Future generations such as `m9i` match, too. */
const families =
  /^(?:[cmr]\d{1,2}[a-z]{0,4}|t[1-9][a-z]{0,2}|g\d{1,2}[a-z]{0,3}|p\d{1,2}[a-z]{0,2}(?:-[a-z]{0,2}\d{3})?|dl\d[a-z]?|inf\d|trn\d[a-z]?)$/;

/**
 * The configured type of that name, else the nearest by vCPUs and memory. An accelerated type maps to an accelerated one if any is
 * configured. Ties prefer the same kind of family, then the lower price. Throws `ValidationException` for an invalid name or unknown family.
 */
export function nearestInstanceType(name: string, { instances }: Pick<PriceTable, 'instances'>): string {
  if (Object.hasOwn(instances, name)) return name;
  const [, family = '', size = '', times = '', unit = ''] = typePattern.exec(name) ?? [];
  if (family === '') {
    throw new AwsError(
      'ValidationException',
      `InstanceType '${name.slice(0, 80)}' is invalid: expected ml.FAMILY.SIZE such as ml.m5.large, or one of ${Object.keys(instances).join(', ')}`,
    );
  }
  if (!families.test(family)) {
    throw new AwsError(
      'ValidationException',
      `InstanceType '${name.slice(0, 80)}' has an unknown family: expected one of ${Object.keys(instances).join(', ')}, ` +
        'or any size and generation of c, m, r, t, g, p, inf and trn, which maps to the nearest of these',
    );
  }
  const vcpu = size.startsWith('metal') ? vcpuOfMetal : (times === '' ? 1 : Number(times)) * (vcpuOfSize[unit] as number);
  const wanted = { vcpu, memoryMiB: vcpu * (memoryMiBPerVcpu[family.charAt(0)] ?? 4096), usdPerHour: 0 };
  const all = Object.entries(instances);
  const managed = all.filter(([type]) => type.startsWith('ml.'));
  const candidates = managed.length > 0 ? managed : all;
  const alike = candidates.filter(([type]) => isAccelerated(type) === isAccelerated(family));
  const [nearest] = (alike.length > 0 ? alike : candidates)
    .map(([type, price]) => ({ type, price, distance: distance(price, wanted), isOther: familyOf(type).charAt(0) !== family.charAt(0) }))
    .sort((a, b) => a.distance - b.distance || Number(a.isOther) - Number(b.isOther) || a.price.usdPerHour - b.price.usdPerHour);
  if (nearest === undefined)
    throw new AwsError(
      'ValidationException',
      'no instance types are configured. Add some under prices in config.json, and restart the server.',
    );
  return nearest.type;
}

function familyOf(type: string): string {
  return type.replace(/^ml\./, '');
}

/** Distance in doublings of vCPUs and memory; vCPUs count twice. */
function distance(one: InstancePrice, other: InstancePrice): number {
  return 2 * Math.abs(Math.log2(one.vcpu / other.vcpu)) + Math.abs(Math.log2(one.memoryMiB / other.memoryMiB));
}

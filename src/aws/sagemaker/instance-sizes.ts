/** Which of the configured instance types stands for one of AWS's. Pure. */
import { type InstancePrice, isAccelerated, type PriceTable } from '../../costs/index.ts';
import { AwsError } from '../service.ts';

const typePattern = /^ml\.([a-z][a-z0-9-]*)\.((\d*)(nano|micro|small|medium|large|xlarge)|metal(?:-\d+xl)?)$/;
const vcpuOfSize: Readonly<Record<string, number>> = { nano: 1, micro: 1, small: 1, medium: 1, large: 2, xlarge: 4 };
const vcpuOfMetal = 96;
/** MiB for each vCPU, by the family's first letter; others are taken for all-purpose ones. */
const memoryMiBPerVcpu: Readonly<Record<string, number>> = { c: 2048, m: 4096, t: 2048, r: 8192, x: 16_384, g: 4096, p: 8192, i: 2048 };
/** Those that AWS's model of endpoints lists; generations and their letters go on, so `m9i` is one of them, too. */
const families =
  /^(?:[cmr]\d{1,2}[a-z]{0,4}|t[1-9][a-z]{0,2}|g\d{1,2}[a-z]{0,3}|p\d{1,2}[a-z]{0,2}(?:-[a-z]{0,2}\d{3})?|dl\d[a-z]?|inf\d|trn\d[a-z]?)$/;

/**
 * The configured type by that name, else the one whose processors and memory are nearest to what AWS's type has, with an
 * accelerator where that has one and any is configured; of equals one of its kind, then the cheapest. Throws `ValidationException`
 * for what is no type's name, or of a family that SageMaker does not know.
 */
export function nearestInstanceType(name: string, { instances }: Pick<PriceTable, 'instances'>): string {
  if (Object.hasOwn(instances, name)) return name;
  const [, family = '', size = '', times = '', unit = ''] = typePattern.exec(name) ?? [];
  if (family === '') {
    throw new AwsError(
      'ValidationException',
      `InstanceType '${name.slice(0, 80)}' is not understood: expected ml.FAMILY.SIZE such as ml.m5.large, or one of ${Object.keys(instances).join(', ')}`,
    );
  }
  if (!families.test(family)) {
    throw new AwsError(
      'ValidationException',
      `InstanceType '${name.slice(0, 80)}' is of no known family: configured are ${Object.keys(instances).join(', ')}; ` +
        'for other sizes and generations of c, m, r, t, g, p, inf and trn the nearest of those stands',
    );
  }
  const vcpu = size.startsWith('metal') ? vcpuOfMetal : (times === '' ? 1 : Number(times)) * (vcpuOfSize[unit] as number);
  const wanted = { vcpu, memoryMiB: vcpu * (memoryMiBPerVcpu[family.charAt(0)] ?? 4096), usdPerHour: 0 };
  const all = Object.entries(instances);
  const managed = all.filter(([type]) => type.startsWith('ml.'));
  const candidates = managed.length > 0 ? managed : all;
  const alike = candidates.filter(([type]) => isAccelerated(type) === isAccelerated(family));
  const [nearest] = (alike.length > 0 ? alike : candidates)
    .map(([type, price]) => ({ type, price, apart: apart(price, wanted), isOther: familyOf(type).charAt(0) !== family.charAt(0) }))
    .sort((a, b) => a.apart - b.apart || Number(a.isOther) - Number(b.isOther) || a.price.usdPerHour - b.price.usdPerHour);
  if (nearest === undefined)
    throw new AwsError(
      'ValidationException',
      'no instance type is configured: name some under prices in config.json, and restart the server',
    );
  return nearest.type;
}

function familyOf(type: string): string {
  return type.replace(/^ml\./, '');
}

/** In doublings of processors and of memory, processors first. */
function apart(one: InstancePrice, other: InstancePrice): number {
  return 2 * Math.abs(Math.log2(one.vcpu / other.vcpu)) + Math.abs(Math.log2(one.memoryMiB / other.memoryMiB));
}

/** The 16-bit floats as numbers: FP16 (IEEE half) and BF16 (the upper half of a 32-bit float). */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The nearest half-precision float, ties to even. A number beyond its range becomes infinite. */
export function toHalfBits(value: number): number {
  float[0] = value;
  const single = bits[0] as number;
  const sign = (single >>> 16) & 0x8000;
  const magnitude = single & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds beyond 65504
  if (magnitude < 0x38800000) {
    // Subnormal in half precision: adding 0.5 rounds the number and leaves its bits at the low end of the mantissa.
    float[0] = Math.abs(value) + 0.5;
    return sign | ((bits[0] as number) - 0x3f000000);
  }
  const roundedToEven = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((roundedToEven - 0x38000000) >>> 13);
}

/** The number with these half-precision bits; exact. */
export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest bfloat16, ties to even. */
export function toBrainBits(value: number): number {
  float[0] = value;
  const single = bits[0] as number;
  if ((single & 0x7fffffff) > 0x7f800000) return (single >>> 16) | 0x40; // NaN remains NaN
  return ((single + 0x7fff + ((single >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The number with these bfloat16 bits; exact. */
export function fromBrainBits(brain: number): number {
  bits[0] = brain << 16;
  return float[0] as number;
}

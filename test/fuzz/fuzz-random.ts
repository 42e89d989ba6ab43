/** Seeded choices for the fuzzers. The same seed gives the same inputs on every machine. */
import { SeededRandom } from '../../src/random.ts';

export class FuzzRandom {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** An integer from `least` to `most`, inclusive. */
  int(least: number, most: number): number {
    return least + Math.floor(this.#random.next() * (most - least + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error('nothing to pick from');
    return list[this.int(0, list.length - 1)] as T;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.int(0, 255);
    return bytes;
  }

  /** Text that often breaks parsers: control characters, quotes, surrogates, long runs, names with a special meaning. */
  text(): string {
    return this.pick(hostileTexts)(this);
  }

  number(): number {
    return this.pick(extremeNumbers);
  }

  /** Any JSON value, at most `depth` levels deep. */
  json(depth = 3): unknown {
    const kind = this.int(0, depth > 0 ? 7 : 5);
    if (kind === 0) return null;
    if (kind === 1) return this.chance(0.5);
    if (kind <= 3) return this.number();
    if (kind <= 5) return this.text();
    const size = this.int(0, 4);
    if (kind === 6) return Array.from({ length: size }, () => this.json(depth - 1));
    return Object.fromEntries(Array.from({ length: size }, () => [this.text(), this.json(depth - 1)]));
  }

  /** Changes some bytes: flips, inserts, removes, repeats or truncates. */
  mutate(input: Uint8Array, changes = this.int(1, 4)): Buffer {
    let bytes = Buffer.from(input);
    for (let i = 0; i < changes; i++) bytes = this.#mutateOnce(bytes);
    return bytes;
  }

  #mutateOnce(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    if (bytes.length === 0) return Buffer.from(this.bytes(this.int(1, 8)));
    const at = this.int(0, bytes.length - 1);
    const end = Math.min(bytes.length, at + this.int(1, 16));
    switch (this.int(0, 5)) {
      case 0: {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << this.int(0, 7));
        return flipped;
      }
      case 1: {
        const replaced = Buffer.from(bytes);
        replaced[at] = this.pick([0, 1, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3a, 0x7f, 0x80, 0xc0, 0xff]);
        return replaced;
      }
      case 2:
        return Buffer.concat([bytes.subarray(0, at), this.bytes(this.int(1, 8)), bytes.subarray(at)]);
      case 3:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
      case 4:
        return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
      default:
        return Buffer.from(bytes.subarray(0, at));
    }
  }
}

const extremeNumbers: readonly number[] = [
  0,
  -0,
  1,
  -1,
  0.1,
  255,
  256,
  65_535,
  1e6,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  2 ** 64,
  1e21,
  1e300,
  -1e300,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
  8.64e15 + 1,
];

const hostileTexts: readonly ((random: FuzzRandom) => string)[] = [
  () => '',
  () => ' ',
  () => 'a',
  () => 'digits',
  () => '__proto__',
  () => 'constructor',
  () => 'toString',
  () => 'null',
  () => 'NaN',
  () => '-1',
  () => '1e999',
  () => '\0',
  () => 'a\r\nx-injected: 1',
  () => '"\'`${1}<script>',
  () => '../../../../etc/passwd',
  () => '%2e%2e%2f%00',
  () => "' or 1=1; --",
  () => '\ud800',
  () => '\udfff\ud800',
  () => 'é漢字😀\u202e\ufeff',
  () => 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!',
  () => '(a+)+$',
  () => '2026-01-01T00:00:00Z',
  () => '+275760-09-13T00:00:00.001Z',
  () => 'arn:aws:sagemaker:eu-central-1:123456789012:endpoint/digits',
  () => 's3://bucket/key',
  (random) => 'x'.repeat(random.pick([63, 64, 255, 256, 257, 1024, 5000])),
  (random) => random.bytes(random.int(1, 20)).toString('latin1'),
  (random) => String.fromCodePoint(random.int(0, 0xd7ff), random.int(0xe000, 0x10ffff)),
];

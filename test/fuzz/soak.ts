/**
 * `npm run soak:fuzz`: the fuzzers with more cases and a new seed each time.
 *
 *   npm run soak:fuzz -- --scale 50 --seed 7 http grpc
 *
 * The seed is printed first. The same seed and scale give the same inputs.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';

const scaleUsual = '20';

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' }, scale: { type: 'string', default: scaleUsual } },
  allowPositionals: true,
});
const seed = values.seed ?? String(randomInt(2 ** 31));
const names = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => name.replace('.test.ts', ''));
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`unknown fuzzer ${unknown.join(', ')}: expected ${names.join(', ')}\n`);
  process.exit(2);
}
const chosen = positionals.length > 0 ? positionals : names;
process.stdout.write(`fuzzing ${chosen.join(', ')} with seed ${seed}, ${values.scale} times the cases of the suite\n`);
const files = chosen.map((name) => `${import.meta.dirname}/${name}.test.ts`);
const env = { ...process.env, PENSTOCK_FUZZ_SEED: seed, PENSTOCK_FUZZ_SCALE: values.scale };
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...files], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;

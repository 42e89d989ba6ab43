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
import { readCommandLine } from '../command-line.ts';

const known = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => name.replace('.test.ts', ''));
const flags = { seed: { example: '7' }, scale: 20 };
const { values, names } = readCommandLine({ command: 'npm run soak:fuzz --', flags, names: known });
const seed = values.seed === '' ? String(randomInt(2 ** 31)) : values.seed;
const chosen = names.length > 0 ? names : known;
process.stdout.write(`fuzzing ${chosen.join(', ')} with seed ${seed}, ${values.scale} times the cases of the suite\n`);
const files = chosen.map((name) => `${import.meta.dirname}/${name}.test.ts`);
const env = { ...process.env, PENSTOCK_FUZZ_SEED: seed, PENSTOCK_FUZZ_SCALE: String(values.scale) };
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...files], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;

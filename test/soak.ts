/**
 * `npm run soak:NAME`: long tests that need a quiet machine, or more time than the suite has. `npm run soak:NAME -- --help` says what one
 * takes.
 */
import { spawnSync } from 'node:child_process';
import { endWithProblem, type Flags, readCommandLine } from './command-line.ts';

interface Soak {
  readonly files: readonly string[];
  readonly timeoutMs?: number;
  /** One file after another. */
  readonly isSerial?: true;
  readonly env?: Readonly<Record<string, string>>;
  /** Numbers that the file reads as `PENSTOCK_ROUNDS`. */
  readonly flags?: Flags;
}

const minuteMs = 60_000;
const isSoak = { PENSTOCK_SOAK: '1' };

const soaks: Readonly<Record<string, Soak>> = {
  'invocation-cost': { files: ['compat/aws/invocation-cost.soak.ts'] },
  bodies: { files: ['end-to-end/hostile-bodies.soak.ts'], flags: { rounds: 3 } },
  chaos: { files: ['fault/kills.long.test.ts'], timeoutMs: 60 * minuteMs, env: isSoak },
  'large-model': { files: ['end-to-end/large-model.soak.ts'], timeoutMs: 60 * minuteMs },
  'load-unload': { files: ['end-to-end/load-unload.soak.ts'], timeoutMs: 20 * minuteMs, flags: { cycles: 2000 } },
  mlflow: { files: ['compat/mlflow/deployments.soak.ts'], timeoutMs: 30 * minuteMs },
  objects: { files: ['object-stores/*.soak.ts'], timeoutMs: 60 * minuteMs, isSerial: true },
  pickles: { files: ['fuzz/pickles.soak.ts'], timeoutMs: 60 * minuteMs },
  postgres: { files: ['fault/postgres-away.long.test.ts'], timeoutMs: 10 * minuteMs, env: isSoak },
  partition: { files: ['cluster/partition.soak.ts'], timeoutMs: 15 * minuteMs },
  upgrade: { files: ['cluster/upgrade.soak.ts'], timeoutMs: 15 * minuteMs },
  'python-kills': { files: ['python/kills.soak.ts'], timeoutMs: 15 * minuteMs },
  scaling: { files: ['end-to-end/scaling-lead.soak.ts'] },
  'training-kills': { files: ['fault/training-kills.soak.ts'], timeoutMs: 30 * minuteMs },
};

const [name = '', ...args] = process.argv.slice(2);
const soak = Object.hasOwn(soaks, name) ? soaks[name] : undefined;
if (soak === undefined) endWithProblem(`expected a soak, one of ${Object.keys(soaks).join(', ')}, got '${name}'`);
const { values } = readCommandLine({ command: `npm run soak:${name} --`, flags: soak.flags ?? {} }, args);
const numbers = Object.entries(values).map(([flag, value]) => [`PENSTOCK_${flag.toUpperCase()}`, String(value)] as const);
const options = [
  ...(soak.isSerial === undefined ? [] : ['--test-concurrency=1']),
  ...(soak.timeoutMs === undefined ? [] : [`--test-timeout=${soak.timeoutMs}`]),
];
const files = soak.files.map((file) => `${import.meta.dirname}/${file}`);
const env = { ...process.env, ...soak.env, ...Object.fromEntries(numbers) };
const { status } = spawnSync(process.execPath, ['--test', ...options, ...files], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;

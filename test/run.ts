/**
 * Runs the tests: `node test/run.ts [quick | ci | long] [slow] [checked]`.
 *
 * Tests of the sources share processes (`shared-process.ts`), because a process of its own costs a file more than its tests do. So do
 * those that start servers, some in each. What measures its own process gets one of its own; those that mostly wait run beside them, two at
 * a time. All run side by side: two processes that start servers and one that does not, then two, once those that wait are over; when those
 * of one kind are over, the other kind has its place.
 *
 * `quick` runs only those that share a process, and of them none that starts processes, simulates or needs PostgreSQL. `ci` runs those
 * that CI runs in addition, because they take a third of all the time and few changes break them, such as clients and libraries of others.
 * `long` runs those that take too long for every change: the files `*.long.test.ts`, and all clients with their older generations too.
 * `slow` lists what takes longest, and which files and folders use most of the processor, instead of every test. `checked` runs the checks
 * of package.json beside the tests, at a low priority (`checks.ts`). With FAST_CHECK_SEED=NUMBER in the environment, random cases are the
 * same each time.
 *
 * A few failed files run once more, alone: thousands of tests with real processes, side by side on two processors, have a race left in
 * them now and then, and one race should not hide what the run says about a change. What passes only then is named as unstable at the
 * end, to be mended; what is broken fails twice.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findInterpreter } from '../src/environments/interpreter.ts';
import { bundleServer } from './bundle/bundled-server.ts';
import { runChecks, textOf } from './checks.ts';
import { shareChromium } from './console/chromium.ts';
import { buildConsole } from './console/console-build.ts';
import { cpuTables } from './file-cpu.ts';

const root = join(import.meta.dirname, '..');
const [isQuick, isCi, isLong, isSlow, isChecked] = ['quick', 'ci', 'long', 'slow', 'checked'].map((word) => process.argv.includes(word));
/** With three of them beside the others, two processors are so busy that tests with real clients miss their times. */
const sideBySide = '--test-concurrency=2';
const oneByOne = '--test-concurrency=1';
const inOneProcess = '--test-isolation=none';
/** With more, a change is broken. */
const failedFilesMax = 5;
/** The longest takes about 5 minutes on two processors. */
const laneMsMax = (process.argv.includes('long') ? 120 : 25) * 60_000;

/** What a file measures of its process, changes in it, or waits for while it is read, as one does that is its own server. onnxruntime hides `Float16Array` from its process. */
const ownProcess =
  /\bOnnxModel\b|\bdescribeModel\b|^(?:const .* = |for \(.*)?await |\bmemoryUsage\b|\bcpuUsage\b|--expose-gc|^process\.env\[|^if \(asServer|\bprocess\.chdir\b/m;
/** Each loads the modules once more; the last one ends alone, so it should be short. */
const sharedProcesses = 6;
/** Files that start servers, in one process. */
const filesWithServers = 12;
/** Of those, `quick` has none. Hooks for a whole file start something; so does what starts processes. Forecasters learn from many days. */
const takesLong =
  /^(?:before|after)(?:Each)?\(|\/(?:pglite|postgres-server|simulations|scaled-world|native-api-fixture|aws-cloudwatch-fixture|training-fixture|hosts?-fixture|traces)\.ts'|simulat|from '\.\/replay|\bLocalProvider\b|\b(?:spawn|execFile)(?:Sync)?\(|\bcreateForecaster\(|\bAnalyticTables\b/m;

const pglite = /\/pglite\.ts'/;

/** Files that keep less than a quarter of a processor busy: most of their time, processes start and stop, or a time limit passes. */
const waits: readonly string[] = [
  // The longest first.
  'src/providers/isolation/isolation.test.ts',
  'src/environments/environments.test.ts',
  'src/providers/tasks/tasks.test.ts',
  'test/end-to-end/damaged-artifact.test.ts',
  'test/end-to-end/scaling.test.ts',
  'src/providers/tasks/task-kills.test.ts',
  'src/providers/processes/spawned.test.ts',
  'src/providers/processes/process-workers.test.ts',
  'test/end-to-end/watching.test.ts',
  'test/processes/processes.test.ts',
];

/** Run by CI alone, after the others. */
const forCi: readonly RegExp[] = [
  // Clients and libraries of others. Of those for AWS, all but what a new setting or member breaks first.
  /^test\/compat\/(?:mlflow|oip\/(?:triton|grpc-js|conformance)|aws\/(?!coverage|settings-stay))/,
  /^test\/python\/(?:forms|models|selection|worker)\./,
  /^test\/object-stores\/moto/,
  /^test\/end-to-end\/examples/,
  // Whole ways through a server, whose parts have tests beside their sources.
  /^test\/end-to-end\/(?:cluster-access|evaluate|installation|overflow|why)\./,
  // Random requests to a server.
  /^test\/fuzz\/(?!cli|decoders|python-files)/,
  // Pages of the console beside the way from a model to its endpoint.
  /^test\/console\/(?:alarms|cluster|environments|models|pipelines|python-models|roll-back|selection|training)/,
  // Each kills, restores, trains or compares for half a minute what other files prove in parts.
  /^test\/end-to-end\/(?:backup|captured-training|challenger|grpc-port|killed-executions|kills|pipelines|selection-restart|standby|training|transform|tuning)\./,
  // A day of requests for each policy.
  /^src\/simulation\/published/,
  // What `npm run test:cluster` kills more often, and what hosts prove with one model.
  /^test\/cluster\/(?:home-changes|jobs-on-hosts|selection-on-hosts)/,
];

interface TestFile {
  readonly path: string;
  readonly text: string;
}

interface Lane {
  readonly those: readonly TestFile[];
  readonly option: string;
  readonly isForwardedAtEnd?: boolean;
}

interface Counts {
  readonly files: number;
  readonly seconds: number;
  readonly code: number;
  /** Files with a failed test; a failed run without any is broken as a whole. */
  readonly failed: readonly string[];
  /** `tests`, `pass`, `fail`, `cancelled`, `skipped`, `todo`. */
  readonly counts: ReadonlyMap<string, number>;
}

const files = globSync(
  ['src/**/*.test.ts', 'packages/*/src/**/*.test.ts', 'console/src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
  { cwd: root },
)
  .filter((path) => !path.includes('node_modules'))
  .toSorted()
  .map((path): TestFile => ({ path, text: readFileSync(join(root, path), 'utf8') }));

function canShare({ path, text }: TestFile): boolean {
  return !waits.includes(path) && !path.endsWith('speed.test.ts') && !ownProcess.test(text);
}

function startsServers({ path }: TestFile): boolean {
  return !/^(?:(?:console\/|packages\/\w+\/)?src\/|bench\/|test\/[\w-]+$)/.test(path.replace(/\.test\.ts$/, ''));
}

/** Runs files and forwards what they print: at once, or when they end, so that the lines of two runs do not mix. */
async function run({ those, option, isForwardedAtEnd = true }: Lane): Promise<Counts> {
  if (those.length === 0) return { files: 0, seconds: 0, code: 0, failed: [], counts: new Map() }; // node would run all tests of the folder
  const paths = those.map(({ path }) => path);
  const isShared = option === inOneProcess;
  const failedPath = join(mkdtempSync(join(tmpdir(), 'penstock-failed-')), 'files');
  const shown = isSlow ? './test/slowest-reporter.ts' : 'spec';
  const reporter = [
    `--test-reporter=${shown}`,
    '--test-reporter-destination=stdout',
    '--test-reporter=./test/failed-files-reporter.ts',
    `--test-reporter-destination=${failedPath}`,
  ];
  const seeded = process.env['FAST_CHECK_SEED'] === undefined ? [] : [`--import=${pathToFileURL(join(root, 'test/seed.ts')).href}`];
  const args = [
    ...seeded,
    ...(isSlow && !isShared ? [`--import=${pathToFileURL(join(root, 'test/file-cpu.ts')).href}`] : []),
    '--test',
    option,
    `--test-timeout=${isLong ? 900_000 : 600_000}`,
    ...reporter,
    // What a failed test leaves open must hold neither the others nor the run.
    '--test-force-exit',
    ...(isShared ? ['test/shared-process.ts'] : paths),
  ];
  const env = {
    ...process.env,
    ...(python !== null && { PATH: pathTo(python.path) }),
    TEST_INTERPRETER: JSON.stringify(python),
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile'),
    ...(isShared && { SHARED_TEST_FILES: JSON.stringify(paths) }),
    ...(isLong && { PENSTOCK_CLIENTS: 'all' }),
    ...(cpuFile !== null && { TEST_CPU_FILE: cpuFile }),
    ...(penstock !== null && { TEST_PENSTOCK: penstock }),
    ...browser?.env,
  };
  const startMs = performance.now();
  // It names the files that it was running when it ends at SIGTERM. A process that outlives its file holds it without any test that times out.
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'], timeout: laneMsMax });
  const output: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => {
    output.push(piece);
    if (!isForwardedAtEnd) process.stdout.write(piece);
  });
  const code = await exitOf(child);
  const whole = Buffer.concat(output);
  if (isForwardedAtEnd) process.stdout.write(whole);
  const text = whole.toString();
  const lines = text.matchAll(/^ℹ (tests|pass|fail|cancelled|skipped|todo) (\d+)$/gm);
  const counts = new Map([...lines].map(([, name = '', count]) => [name, Number(count)]));
  const failed = readFileSync(failedPath, 'utf8').split('\n').filter(Boolean);
  rmSync(dirname(failedPath), { recursive: true });
  return { files: paths.length, seconds: (performance.now() - startMs) / 1000, code, counts, failed };
}

/** A `python3` that selects an interpreter, such as that of pyenv, takes 0.1 s of the processor at each start: the interpreter comes first. */
function pathTo(interpreter: string): string {
  const folders = (process.env['PATH'] ?? '').split(':');
  const first = folders.findIndex((folder) => existsSync(join(folder, 'python3')));
  return existsSync(join(dirname(interpreter), 'python3'))
    ? folders.toSpliced(first, 0, dirname(interpreter)).join(':')
    : folders.join(':');
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve(code ?? 1));
  });
}

const isForLong = ({ path }: TestFile): boolean => path.endsWith('.long.test.ts');
const isForCi = ({ path }: TestFile): boolean => forCi.some((pattern) => pattern.test(path));
const usual = files.filter((file) => !isForLong(file) && isForCi(file) === isCi);
const sharing = usual.filter((file) => canShare(file) && !startsServers(file));
const withServers = usual.filter((file) => canShare(file) && startsServers(file));
const own = usual.filter((file) => !canShare(file) && !waits.includes(file.path));
const quick = sharing.filter(({ text }) => !takesLong.test(text));

/**
 * One lane per process, with files of all modules in each. The last lane has a quarter of the files of the first, so that lanes that run side
 * by side end at about the same time, and none of them runs alone for long. The first has all files that need PGlite: a process takes 2.6 s
 * of the processor to open one, and a hundredth of that to empty one that another file has used.
 */
function shared(those: readonly TestFile[], processes: number, lastShare = 0.25): Lane[] {
  const lanes = Array.from({ length: processes }, (_, at) => ({
    those: [] as TestFile[],
    weight: 1 - ((1 - lastShare) * at) / Math.max(1, processes - 1),
  }));
  const [first] = lanes;
  const needPglite = those.filter(({ text }) => pglite.test(text));
  first?.those.push(...needPglite);
  for (const file of those.filter((other) => !needPglite.includes(other))) {
    const least = lanes.reduce((one, other) =>
      (other.those.length + 1) / other.weight < (one.those.length + 1) / one.weight ? other : one,
    );
    least.those.push(file);
  }
  return lanes.map(({ those: own }) => ({ those: own, option: inOneProcess }));
}

async function runQuick(): Promise<Counts[]> {
  return Promise.all(shared(quick, 2, 1).map(run));
}

async function runLong(): Promise<Counts[]> {
  const those = files.filter((file) => isForLong(file) || file.path.startsWith('test/compat/'));
  return [await run({ those, option: sideBySide, isForwardedAtEnd: false })];
}

/** Runs lanes one after another, each begun when the one before has ended. Several calls can share a list. */
async function runEach(left: Lane[]): Promise<Counts[]> {
  const done: Counts[] = [];
  for (let lane = left.shift(); lane !== undefined; lane = left.shift()) done.push(await run(lane));
  return done;
}

async function runUsual(): Promise<Counts[]> {
  const servers = [{ those: own, option: oneByOne }, ...shared(withServers, Math.ceil(withServers.length / filesWithServers))];
  const sources = shared(sharing, sharedProcesses);
  const waiting = waits.flatMap((path) => usual.filter((file) => file.path === path));
  const runs = await Promise.all([
    runEach(servers).then(async (done) => [...done, ...(await runEach(sources))]),
    runEach(servers),
    runEach(sources).then(async (done) => [...done, ...(await runEach(servers))]),
    run({ those: waiting, option: sideBySide }).then(async (counts) => [counts, ...(await runEach(sources)), ...(await runEach(servers))]),
  ]);
  return runs.flat();
}

// At a low priority they use what the tests leave, which wait for a part of their time.
const checking = isChecked ? runChecks(isQuick ? ['lint'] : ['lint', 'format:check', 'unused'], true) : [];
// Once for all files that need them.
const python = await findInterpreter();
if (!isQuick) buildConsole();
const penstock = isQuick ? null : bundleServer();
const cpuFile = isSlow ? join(mkdtempSync(join(tmpdir(), 'penstock-cpu-')), 'files') : null;
const browser = isQuick ? null : await shareChromium();
const runs = await (isQuick ? runQuick() : isLong ? runLong() : runUsual());
const failedFiles = runs.flatMap(({ failed }) => failed);
const isKnown = (path: string): boolean => files.some((file) => file.path === path);
const isWorthAgain =
  runs.every(({ code, failed }) => code === 0 || (failed.length > 0 && failed.every(isKnown))) && failedFiles.length <= failedFilesMax;
const again = isWorthAgain && failedFiles.length > 0 ? await runAgain(failedFiles) : null;
const total = (name: string): number => runs.reduce((sum, { counts }) => sum + (counts.get(name) ?? 0), 0);
if (!isSlow) {
  const names = ['tests', 'pass', 'fail', 'cancelled', 'skipped'];
  process.stdout.write(
    `\nin all: ${names.map((name) => `${name} ${total(name)}`).join(', ')}; ${runs.reduce((sum, { files: ran }) => sum + ran, 0)} files\n`,
  );
}
if (cpuFile !== null) {
  const lanes = runs.filter(({ files: ran }) => ran > 0).map(({ files: ran, seconds }) => `${ran} files in ${seconds.toFixed(0)} s`);
  process.stdout.write(`\nprocesses of tests: ${lanes.join(', ')}\n`);
  process.stdout.write(cpuTables(cpuFile));
  rmSync(dirname(cpuFile), { recursive: true });
}
if (again === 0) process.stdout.write(`unstable, passed only when run again, alone: ${failedFiles.join(', ')}\n`);
// A failed check stands far above: once more, where it is seen.
const failedChecks = (await checking).filter(({ code }) => code !== 0);
for (const failed of failedChecks) process.stdout.write(`\n${textOf(failed)}`);
process.exitCode = Math.max(again ?? Math.max(...runs.map(({ code }) => code)), ...failedChecks.map(({ code }) => code));

await browser?.close();

async function runAgain(paths: readonly string[]): Promise<number> {
  process.stdout.write(`\nonce more, alone: ${paths.join(', ')}\n`);
  const those = files.filter(({ path }) => paths.includes(path));
  const { code } = await run({ those, option: oneByOne, isForwardedAtEnd: false });
  return code;
}

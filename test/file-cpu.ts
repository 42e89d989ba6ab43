/**
 * What each test file costs, for `npm run test:slow`: the processor time of the process of its tests, and of its child processes. A child
 * that nothing has waited for is not counted, nor is one whose parent was killed.
 *
 * Preloaded into the process of a file. A shared process calls `startsFile` instead (`shared-process.ts`): its first entry is the reading of
 * all its files.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { isMainThread } from 'node:worker_threads';

/** Each line is one `FileCpu`. Without it, nothing is measured. */
const path = process.env['TEST_CPU_FILE'];
const listed = 30;

interface FileCpu {
  readonly file: string;
  readonly ownMs: number;
  readonly childrenMs: number;
  /** What the clock says. */
  readonly wallMs: number;
}

function usedSoFar(file: string): FileCpu {
  const { user, system } = process.cpuUsage();
  // After the name, which may contain spaces: state is the first field, cutime the fourteenth, in hundredths of a second.
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { file, ownMs: (user + system) / 1000, childrenMs: (Number(fields[13]) + Number(fields[14])) * 10, wallMs: performance.now() };
}

let current: FileCpu | null = null;

/** Call it when the tests of a file begin, and those of the file before have ended. */
export function startsFile(file: string): void {
  if (path === undefined) return;
  endsFile();
  current = usedSoFar(file);
}

function endsFile(): void {
  if (path === undefined || current === null) return;
  const { file, ownMs, childrenMs, wallMs } = usedSoFar(current.file);
  const { ownMs: ownBefore, childrenMs: childrenBefore, wallMs: startMs } = current;
  const used: FileCpu = { file, ownMs: ownMs - ownBefore, childrenMs: childrenMs - childrenBefore, wallMs: wallMs - startMs };
  appendFileSync(path, `${JSON.stringify(used)}\n`);
  current = null;
}

if (path !== undefined && isMainThread) {
  // Set for the process of a file, and not for the one that starts it.
  const file = process.env['NODE_TEST_CONTEXT'] === undefined ? undefined : process.argv[1];
  if (file !== undefined) current = { file: relative(process.cwd(), file), ownMs: 0, childrenMs: 0, wallMs: 0 };
  process.on('exit', endsFile);
}

/** The files that use most of the processor, and all folders. */
export function cpuTables(linesPath: string): string {
  const lines = readFileSync(linesPath, 'utf8').split('\n').filter(Boolean);
  const used = lines.map((line) => JSON.parse(line) as FileCpu);
  const files = sums(used, ({ file }) => file);
  const folders = sums(used, ({ file }) => dirname(file));
  return (
    `\nprocessor time of ${files.length} files, of the tests' process and of its children, and the time by the clock: the first ${listed}\n${table(files.slice(0, listed))}` +
    `\nprocessor time of those that wait longest\n${table(files.toSorted((a, b) => waitMs(b) - waitMs(a)).slice(0, listed))}` +
    `\nprocessor time of all folders\n${table([...folders, ...sums(used, () => 'in all')])}`
  );
}

function waitMs({ ownMs, childrenMs, wallMs }: FileCpu): number {
  return wallMs - ownMs - childrenMs;
}

/** The largest first. */
function sums(used: readonly FileCpu[], nameOf: (one: FileCpu) => string): FileCpu[] {
  return [...Map.groupBy(used, nameOf)]
    .map(([name, those]) => ({
      file: name,
      ownMs: those.reduce((sum, { ownMs }) => sum + ownMs, 0),
      childrenMs: those.reduce((sum, { childrenMs }) => sum + childrenMs, 0),
      wallMs: those.reduce((sum, { wallMs }) => sum + wallMs, 0),
    }))
    .sort((a, b) => b.ownMs + b.childrenMs - a.ownMs - a.childrenMs);
}

function table(rows: readonly FileCpu[]): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1).padStart(7)} s`;
  return rows
    .map(({ file, ownMs, childrenMs, wallMs }) => `${seconds(ownMs)} ${seconds(childrenMs)} of ${seconds(wallMs)}  ${file}\n`)
    .join('');
}

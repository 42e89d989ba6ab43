/** The lock of an environment: every package with its version and hashes. Its key names the folder of the environment. Pure. */
import { createHash } from 'node:crypto';
import { PlatformError } from '../errors.ts';
import type { Interpreter } from './interpreter.ts';

const packagesMax = 5000;

/** Converts a file that `uv pip compile --generate-hashes` wrote: `name==version --hash=sha256:…`, one line a package, sorted. */
export function lockOfRequirements(text: string): string {
  const lines = text
    .replaceAll(/\\\r?\n/g, ' ')
    .split('\n')
    .map((line) =>
      line
        .replace(/(?:^|\s)#.*$/, '')
        .trim()
        .replaceAll(/\s+/g, ' '),
    )
    .filter((line) => line !== '');
  return lockOf(lines);
}

/** Converts the report of `pip install --dry-run --report`. Throws `unavailable` if it is not one. */
export function lockOfReport(text: string): string {
  const report = JSON.parse(text) as { readonly install?: unknown };
  if (!Array.isArray(report.install)) throw incomplete('pip wrote a report without packages');
  return lockOf(report.install.map(lineOf));
}

interface ReportedPackage {
  readonly metadata?: { readonly name?: unknown; readonly version?: unknown };
  readonly download_info?: { readonly archive_info?: { readonly hash?: unknown; readonly hashes?: Readonly<Record<string, unknown>> } };
}

function lineOf(reported: ReportedPackage): string {
  const { name, version } = reported.metadata ?? {};
  const { hash, hashes } = reported.download_info?.archive_info ?? {};
  const sha256 = hashes?.['sha256'] ?? (typeof hash === 'string' ? hash.replace(/^sha256=/, '') : undefined);
  if (typeof name !== 'string' || typeof version !== 'string' || typeof sha256 !== 'string') {
    throw incomplete('pip reported a package without name, version or hash');
  }
  return `${name.toLowerCase().replaceAll(/[-_.]+/g, '-')}==${version} --hash=sha256:${sha256}`;
}

const lockLine = /^[a-z0-9][a-z0-9._-]*==[A-Za-z0-9.!+_-]+(?: ;[^\n]+?)?(?: --hash=sha\d{3}:[0-9a-f]{64,128})+$/i;

/** Without hashes a later build could install other files, so such a line is an error. */
function lockOf(lines: readonly string[]): string {
  if (lines.length > packagesMax) throw incomplete(`expected at most ${packagesMax} packages, got ${lines.length}`);
  const odd = lines.find((line) => !lockLine.test(line));
  if (odd !== undefined) throw incomplete(`expected a package with its hashes, got ${JSON.stringify(odd.slice(0, 200))}`);
  return lines
    .toSorted()
    .map((line) => `${line}\n`)
    .join('');
}

/** The same packages on the same Python and platform have the same key: 64 hexadecimal digits. */
export function lockKey(lock: string, { version, platform }: Pick<Interpreter, 'version' | 'platform'>): string {
  return createHash('sha256')
    .update(JSON.stringify([lock, version, platform]))
    .digest('hex');
}

/** `scikit-learn 1.9.1` of each line. */
export function packagesOf(lock: string): readonly { readonly name: string; readonly version: string }[] {
  return lock.split('\n').flatMap((line) => {
    const [, name, version] = /^(\S+?)==(\S+)/.exec(line) ?? [];
    return name === undefined || version === undefined ? [] : [{ name, version }];
  });
}

function incomplete(problem: string): PlatformError {
  return new PlatformError('unavailable', `the packages could not be locked: ${problem}`);
}

/** Which two versions are compared. Pure functions. */
import type { VersionBody } from '../../../../src/api/index.ts';

/** The versions in the URL, such as `3,4`. Default: the latest and the approved one before it. Older first. */
export function tickedOf(text: string | undefined, versions: readonly VersionBody[]): number[] {
  const existing = new Set(versions.map(({ version }) => version));
  if (text !== undefined) {
    const requested = text.split(',').map(Number);
    return [...new Set(requested)]
      .filter((version) => existing.has(version))
      .slice(0, 2)
      .toSorted((a, b) => a - b);
  }
  const [latest] = versions;
  if (latest === undefined) return [];
  const former = previousApproved(versions, latest) ?? versions[1];
  return former === undefined ? [latest.version] : [former.version, latest.version];
}

/** The URL value after a tick. A third version replaces the older of the two. */
export function tickText(ticked: readonly number[], version: number, isTicked: boolean): string {
  if (!isTicked) {
    const left = ticked.filter((other) => other !== version);
    return left.length === 0 ? 'none' : left.join(',');
  }
  return [...ticked.slice(-1), version].toSorted((a, b) => a - b).join(',');
}

/** The latest approved version before `version`, which clients use today. */
export function previousApproved(versions: readonly VersionBody[], version: VersionBody): VersionBody | undefined {
  return versions.find((other) => other.approval === 'Approved' && other.version < version.version);
}

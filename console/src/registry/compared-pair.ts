/** Which two versions are side by side. Pure. */
import type { VersionBody } from '../../../src/api/index.ts';

/** What the address says, `3,4`; without a word the latest beside the one that it follows. Older first. */
export function tickedOf(text: string | undefined, versions: readonly VersionBody[]): number[] {
  const there = new Set(versions.map(({ version }) => version));
  if (text !== undefined) {
    const said = text.split(',').map(Number);
    return [...new Set(said)]
      .filter((version) => there.has(version))
      .slice(0, 2)
      .toSorted((a, b) => a - b);
  }
  const [latest] = versions;
  if (latest === undefined) return [];
  const former = formerOf(versions, latest) ?? versions[1];
  return former === undefined ? [latest.version] : [former.version, latest.version];
}

/** A third takes the place of the older one. */
export function tickText(ticked: readonly number[], version: number, isTicked: boolean): string {
  if (!isTicked) {
    const left = ticked.filter((other) => other !== version);
    return left.length === 0 ? 'none' : left.join(',');
  }
  return [...ticked.slice(-1), version].toSorted((a, b) => a - b).join(',');
}

/** The latest approved version before one: what clients know. */
export function formerOf(versions: readonly VersionBody[], version: VersionBody): VersionBody | undefined {
  return versions.find((other) => other.approval === 'Approved' && other.version < version.version);
}

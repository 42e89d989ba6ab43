/** Which hosts a host reads an object from. Pure. */

/** A host that has an object, or fetches it and was earlier. */
export interface PeerCandidate {
  readonly name: string;
  readonly zone: string;
  /** Hosts that read from it now, any object. */
  readonly readers: number;
  /** Hosts between it and the home, itself included: what it has of the object, they had before. 0: it has all of it. */
  readonly depth: number;
}

/** Enough that one of them can end or be slow; with two, that each feeds two others makes the depth of the tree logarithmic. */
export const chosenMax = 2;
/** A host serves no more at a time. */
export const readersMax = 4;

/** Of those with room, those of the same zone, then those next to the home, then the least busy. By depth, so that many hosts are no long chain. */
export function choosePeers<Candidate extends PeerCandidate>(zone: string, candidates: readonly Candidate[]): readonly Candidate[] {
  const isOther = (candidate: PeerCandidate): number => (candidate.zone === zone ? 0 : 1);
  return candidates
    .filter(({ readers }) => readers < readersMax)
    .sort(
      (a, b) => isOther(a) - isOther(b) || a.depth - b.depth || a.readers - b.readers || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
    )
    .slice(0, chosenMax);
}

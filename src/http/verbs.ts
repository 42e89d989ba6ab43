/** Which verbs a path takes, so that a wrong one can be told from an unknown path. */

interface Place {
  /** `['groups', ':group']`; `*` stands for any rest. */
  readonly parts: readonly string[];
  readonly verbs: Set<string>;
}

export class Verbs {
  readonly #places = new Map<string, Place>();

  /** `url` as routes are written: `/groups/:group`, `/docs/*`. */
  learn(url: string, methods: string | readonly string[]): void {
    const place = this.#places.get(url) ?? { parts: url.split('/'), verbs: new Set() };
    this.#places.set(url, place);
    for (const method of [methods].flat()) place.verbs.add(method);
  }

  /** Sorted; empty for a path that nobody knows. */
  at(url: string): readonly string[] {
    const [path = ''] = url.split('?', 1);
    const given = path.split('/');
    const verbs = [...this.#places.values()].filter(({ parts }) => matches(parts, given)).flatMap((place) => [...place.verbs]);
    return [...new Set(verbs)].sort();
  }
}

function matches(parts: readonly string[], given: readonly string[]): boolean {
  const rest = parts.indexOf('*');
  if (rest === -1 ? given.length !== parts.length : given.length <= rest) return false;
  return parts
    .slice(0, rest === -1 ? parts.length : rest)
    .every((part, at) => (part.startsWith(':') ? given[at] !== '' : part === given[at]));
}

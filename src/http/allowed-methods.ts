/** The methods allowed for each path, to distinguish a wrong method (405) from an unknown path (404). */

interface RoutePattern {
  /** `['groups', ':group']`; `*` matches the rest of the path. */
  readonly parts: readonly string[];
  readonly methods: Set<string>;
}

export class AllowedMethods {
  readonly #patterns = new Map<string, RoutePattern>();

  /** `url` in route syntax: `/groups/:group`, `/docs/*`. */
  add(url: string, methods: string | readonly string[]): void {
    const pattern = this.#patterns.get(url) ?? { parts: url.split('/'), methods: new Set() };
    this.#patterns.set(url, pattern);
    for (const method of [methods].flat()) pattern.methods.add(method);
  }

  /** Sorted; empty for an unknown path. */
  at(url: string): readonly string[] {
    const [path = ''] = url.split('?', 1);
    const segments = path.split('/');
    const methods = [...this.#patterns.values()].filter(({ parts }) => matches(parts, segments)).flatMap((pattern) => [...pattern.methods]);
    return [...new Set(methods)].sort();
  }
}

function matches(parts: readonly string[], segments: readonly string[]): boolean {
  const rest = parts.indexOf('*');
  if (rest === -1 ? segments.length !== parts.length : segments.length <= rest) return false;
  return parts
    .slice(0, rest === -1 ? parts.length : rest)
    .every((part, at) => (part.startsWith(':') ? segments[at] !== '' : part === segments[at]));
}

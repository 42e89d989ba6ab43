/** Wildcards of event patterns: `*` matches any text, `\*` an asterisk, `\\` a backslash. */

/** Null for consecutive asterisks, or a backslash before any other character. */
export function compileWildcard(pattern: string): ((text: string) => boolean) | null {
  if (!/^(?:\\[*\\]|\*(?!\*)|[^*\\])*$/s.test(pattern)) return null;
  // A wildcard asterisk is null, to distinguish it from an escaped one.
  const parts = Array.from(pattern.matchAll(/\\([*\\])|(\*)|[\s\S]/g), ([all, escaped, any]) =>
    any === undefined ? (escaped ?? all) : null,
  );
  return (text) => matches(text, parts);
}

/** Greedy with a single backtracking point: linear in practice, at worst the product of the lengths. */
function matches(text: string, parts: readonly (string | null)[]): boolean {
  let [at, next, star, from] = [0, 0, -1, 0];
  while (at < text.length) {
    if (parts[next] === null) {
      star = next++;
      from = at;
    } else if (parts[next] === text[at]) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++from;
    } else return false;
  }
  while (parts[next] === null) next++;
  return next === parts.length;
}
